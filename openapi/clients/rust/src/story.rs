//! The story that every generated client lives through, with this one: what compiles without a warning
//! here has the types that the document promises, and what runs has the values.
//!
//! TOKENHOUSE_URL and TOKENHOUSE_OPERATOR_TOKEN say where the server is and who runs it.

use std::{
    env,
    fmt::Debug,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokenhouse_client::{Client, Error, types};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

fn done(step: &str) {
    println!("step: {step}");
}

/// Authentication is a header that each request of a client carries.
fn client(authorization: Option<&str>) -> Result<Client> {
    let mut headers = HeaderMap::new();
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::from_str(authorization)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let inner = reqwest::Client::builder()
        .default_headers(headers)
        .build()?;
    Ok(Client::new_with_client(&env::var("TOKENHOUSE_URL")?, inner))
}

fn bearer(token: &str) -> Result<Client> {
    client(Some(&format!("Bearer {token}")))
}

/// The error of a call, as the type that the document gives it.
fn refusal<T: Debug, E: Debug + Send + Sync + 'static>(
    status: u16,
    answer: Result<T, Error<E>>,
) -> Result<E> {
    match answer {
        Err(Error::ErrorResponse(refused)) => {
            ensure!(refused.status() == status, "{refused:?}");
            Ok(refused.into_inner())
        }
        other => bail!("not refused: {other:?}"),
    }
}

/// `delivery` says which of the two a session is.
fn tokens(session: types::SignedIn) -> Result<types::TokenSession> {
    match session {
        types::SignedIn::TokenSession(tokens) => Ok(tokens),
        types::SignedIn::CookieSession(other) => bail!("the tokens are not in the body: {other:?}"),
    }
}

/// A client at the token endpoint (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> Result<Client> {
    client(Some(&format!(
        "Basic {}",
        STANDARD.encode(format!("{id}:{secret}"))
    )))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let operator = bearer(&env::var("TOKENHOUSE_OPERATOR_TOKEN")?)?;
    let anyone = client(None)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let slug = format!("rust-{:x}", now.as_nanos());
    let slug = slug.as_str();

    let tenant = operator
        .create_tenant()
        .body_map(|body| body.slug(slug).name("Rust".parse().ok()))
        .send()
        .await?;
    ensure!(tenant.slug.as_str() == slug, "{tenant:?}");
    done("create a tenant");

    let reports = operator
        .create_client()
        .tenant(slug)
        .body_map(|body| {
            body.client_name("Reports".parse().ok())
                .grant_types(vec!["client_credentials".to_owned()])
                .scope("tokenhouse:admin:read".parse().ok())
        })
        .send()
        .await?;
    let secret = reports.client_secret.as_deref().context("the secret")?;
    done("create a client");

    let signup = |picture: Option<&str>| {
        let ada = types::SignupBody::builder()
            .name("Ada Lovelace")
            .email(EMAIL)
            .password(PASSWORD)
            .avatar_url(picture.and_then(|picture| picture.parse().ok()));
        anyone.signup().tenant(slug).body(ada).send()
    };
    let user = signup(Some("https://example.com/ada.png")).await?;
    ensure!(user.email.as_str() == EMAIL, "{user:?}");
    done("sign up");

    let taken = refusal(409, signup(None).await)?;
    ensure!(taken.type_.ends_with("/problems/email-taken"), "{taken:?}");
    done("email-taken is a typed problem");

    let login = |password: &str| {
        let who = types::LoginBody::builder()
            .email(EMAIL)
            .password(password)
            .delivery(types::Delivery::Body);
        anyone.login().tenant(slug).body(who).send()
    };
    let session = tokens(login(PASSWORD).await?.into_inner())?;
    ensure!(session.user.user_id == user.user_id, "{session:?}");
    done("log in");

    let refused = refusal(401, login("wrong").await)?;
    let wrong_credentials = refused.type_.ends_with("/problems/wrong-credentials");
    ensure!(wrong_credentials, "{refused:?}");
    done("wrong-credentials is a typed problem");

    let refresh = |token: &str| {
        let token = types::RefreshTokenBody::builder().refresh_token(token.parse().ok());
        anyone.refresh_session().tenant(slug).body(token).send()
    };
    let successor = tokens(refresh(&session.refresh_token).await?.into_inner())?;
    let rotated = successor.refresh_token != session.refresh_token;
    ensure!(rotated, "the token did not rotate");
    done("refresh");

    let again = tokens(refresh(&session.refresh_token).await?.into_inner())?;
    let same = again.refresh_token == successor.refresh_token;
    ensure!(same, "another successor");
    done("a retried refresh has the same successor");

    let signed_in = bearer(&again.access_token)?;
    let current = signed_in.get_current_user().tenant(slug).send().await?;
    ensure!(current.user_id == user.user_id, "{current:?}");
    ensure!(current.created_at == user.created_at, "{current:?}");
    ensure!(current.avatar_url.is_some(), "{current:?}");
    done("current user");

    let mut emails = vec![EMAIL.to_owned()];
    for name in ["grace", "alan", "edsger", "barbara"] {
        let made = operator
            .create_user()
            .tenant(slug)
            .body_map(|body| {
                body.name(name.parse().ok())
                    .email(format!("{name}@example.com"))
            })
            .send()
            .await?;
        emails.push(made.email.to_string());
    }
    let mut listed = Vec::new();
    let mut pages = 0;
    let mut cursor = None;
    loop {
        let mut list = operator.list_users().tenant(slug).limit(2);
        if let Some(cursor) = cursor {
            list = list.cursor::<String>(cursor);
        }
        let page = list.send().await?.into_inner();
        listed.extend(page.items.into_iter().map(|item| item.email.to_string()));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    emails.sort();
    listed.sort();
    ensure!(pages == 3 && listed == emails, "{pages} {listed:?}");
    done("list users page by page");

    let form = types::TokenForm::builder().grant_type("client_credentials");
    let granted = basic(&reports.client_id, secret)?
        .exchange_token()
        .tenant(slug)
        .body(form.clone().scope("tokenhouse:admin:read".to_owned()))
        .send()
        .await?;
    let reader = bearer(&granted.access_token)?;
    let read = reader.list_users().tenant(slug).send().await?;
    ensure!(read.items.len() == emails.len(), "{read:?}");
    done("exchange client credentials");

    let nobody = basic("nobody", "nothing")?;
    let unknown = nobody.exchange_token().tenant(slug).body(form).send().await;
    let unknown = refusal(401, unknown)?;
    ensure!(unknown.error == "invalid_client", "{unknown:?}");
    done("invalid_client is a typed OAuth error");

    let last = types::RefreshTokenBody::builder().refresh_token(again.refresh_token.parse().ok());
    let left = anyone.logout().tenant(slug).body(last).send().await?;
    ensure!(left.status() == 204, "{left:?}");
    refusal(401, refresh(&again.refresh_token).await)?;
    done("log out");
    Ok(())
}
