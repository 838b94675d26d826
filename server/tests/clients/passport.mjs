// npm `passport-openidconnect`: a web application behind login, as people build them with Express.

import express from 'express';
import session from 'express-session';
import passport from 'passport';
import OpenIDConnectStrategy from 'passport-openidconnect';
import { Browser, check, settings } from './browser.mjs';

const { issuer, web, username, password } = settings;
const app = express();
app.use(session({ secret: 'only for this test', resave: false, saveUninitialized: false }));
app.use(passport.session());
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const base = `http://127.0.0.1:${server.address().port}`;

passport.use(new OpenIDConnectStrategy({
  issuer,
  authorizationURL: `${issuer}/oauth2/authorize`,
  tokenURL: `${issuer}/oauth2/token`,
  userInfoURL: `${issuer}/oauth2/userinfo`,
  clientID: web.client_id,
  clientSecret: web.client_secret,
  callbackURL: `${base}/callback`,
  scope: ['profile', 'email'],
  skipUserProfile: false,
}, (_issuer, profile, done) => done(null, { id: profile.id, email: profile.emails?.[0]?.value })));
app.get('/login', passport.authenticate('openidconnect'));
app.get('/callback', passport.authenticate('openidconnect', { failureMessage: true, failureRedirect: '/failed' }), (_request, response) => response.redirect('/home'));
app.get('/home', (request, response) => response.send(request.user ? `Hello ${request.user.email}` : 'nobody'));
app.get('/failed', (request, response) => response.send(`failed ${JSON.stringify(request.session.messages)}`));

try {
  const browser = new Browser();
  const before = await browser.walk(`${base}/home`, {});
  check(before.html === 'nobody', 'nobody is signed in at first');
  const home = await browser.walk(`${base}/login`, { username, password });
  check(home.html === `Hello ${username}`, `the application knows the user: ${home.html}`);
  const again = await browser.walk(`${base}/login`, { username: 'x', password: 'x' });
  check(again.html === `Hello ${username}`, 'who is signed in is not asked again');
  const other = new Browser();
  const denied = await other.walk(`${base}/login`, { username, password, decision: 'deny' });
  check(denied.html === `Hello ${username}` || /failed/.test(denied.html), 'the application hears of a no');
} finally {
  server.close();
  server.closeAllConnections();
}
console.log('ok');
