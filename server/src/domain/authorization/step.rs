use std::time::Duration;

use super::request::{AuthorizationRequest, ErrorCode, Prompt, Refused};
use crate::domain::{client::Client, id::SessionId, scope::Scopes, timestamp::Timestamp};

/// A session of the browser that could answer the request.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub session: SessionId,
    /// The user's `sub` for this client.
    pub subject: &'a str,
    pub authenticated_at: Timestamp,
    /// What the user allowed this client before.
    pub consented: &'a Scopes,
}

/// What is still to be done for a request, in words of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Nobody is signed in, or somebody else is.
    NotSignedIn,
    /// Signed in, but before `prompt=login` was asked or longer ago than `max_age`.
    NotFresh,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Login(Unmet),
    Signup,
    SelectAccount,
    /// The user of this session must allow it.
    Consent(SessionId),
    /// Nothing is left: the code may be made for this session.
    Grant(SessionId),
    Refuse(Refused),
}

/// Decides (OIDC Core §3.1.2.3 and §3.1.2.4). `candidates` are the live sessions of the browser, the
/// current one first. Each step is taken once: what was done since the request came shows in the
/// session's time and in the request itself.
pub fn next_step(
    request: &AuthorizationRequest,
    client: &Client,
    candidates: &[Candidate<'_>],
    now: Timestamp,
) -> Step {
    let silent = request.asks(Prompt::None);
    let refuse = |code, description| Step::Refuse(Refused::new(code, description));
    let fresh = |candidate: &Candidate<'_>| {
        candidate.authenticated_at >= Timestamp::from_micros(request.started_at)
    };
    let anyone_fresh = candidates.first().is_some_and(fresh);
    if request.asks(Prompt::Create) && !anyone_fresh {
        return Step::Signup;
    }
    let Some(candidate) = chosen(request, candidates) else {
        return if silent {
            refuse(ErrorCode::LoginRequired, "The user is not signed in.")
        } else if anyone_fresh && request.subject.is_some() {
            // Someone signed in for this request, and it is not whom it is about.
            refuse(ErrorCode::LoginRequired, "Another user signed in.")
        } else {
            Step::Login(Unmet::NotSignedIn)
        };
    };
    let too_old = request.max_age.is_some_and(|max_age| {
        now.since(candidate.authenticated_at) > Duration::from_secs(max_age.into())
    });
    if (too_old || request.asks(Prompt::Login)) && !fresh(candidate) {
        return if silent {
            refuse(ErrorCode::LoginRequired, "The user must sign in again.")
        } else {
            Step::Login(Unmet::NotFresh)
        };
    }
    if request.asks(Prompt::SelectAccount) && request.selected.is_none() && !fresh(candidate) {
        return Step::SelectAccount;
    }
    let allowed = client.first_party || request.needs().is_within(candidate.consented);
    let imitable = is_imitable(request, client);
    if silent && (!allowed || imitable) {
        return refuse(ErrorCode::ConsentRequired, "The user has not allowed this.");
    }
    if !allowed || imitable || request.asks(Prompt::Consent) {
        return Step::Consent(candidate.session);
    }
    Step::Grant(candidate.session)
}

/// Whether any program on the user's device could pass for the client: one that registered itself,
/// has no secret and is answered on the device. Its user is asked each time (RFC 8252 §8.6).
fn is_imitable(request: &AuthorizationRequest, client: &Client) -> bool {
    client.is_dynamic()
        && !client.is_confidential()
        && !request.address.redirect_uri.starts_with("https://")
}

/// Whoever the request names, else whom the user chose, else the current one.
fn chosen<'c, 'a>(
    request: &AuthorizationRequest,
    candidates: &'c [Candidate<'a>],
) -> Option<&'c Candidate<'a>> {
    if let Some(subject) = &request.subject {
        return candidates.iter().find(|one| one.subject == subject);
    }
    let selected = request
        .selected
        .and_then(|id| candidates.iter().find(|one| one.session.as_uuid() == id));
    selected.or_else(|| candidates.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        authorization::{ResponseMode, ReturnAddress},
        claims_request::ClaimsRequest,
        id::IdEntropy,
    };

    const STARTED: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(STARTED + seconds * 1_000_000)
    }

    fn session(n: u8) -> SessionId {
        let entropy: IdEntropy = [n; 10];
        SessionId::new(at(0), entropy)
    }

    fn request(prompt: &[Prompt]) -> AuthorizationRequest {
        AuthorizationRequest {
            client_id: "web".into(),
            address: ReturnAddress {
                redirect_uri: "https://rp.example/cb".into(),
                mode: ResponseMode::Query,
                state: None,
            },
            scope: Scopes::from_names(&["openid", "email"]),
            nonce: None,
            challenge: None,
            prompt: prompt.to_vec(),
            max_age: None,
            wants_auth_time: false,
            login_hint: None,
            subject: None,
            claims: ClaimsRequest::default(),
            resources: vec![],
            started_at: STARTED,
            selected: None,
        }
    }

    fn client(first_party: bool) -> Client {
        Client {
            first_party,
            ..Client::first_party("x", at(0))
        }
    }

    fn decide(request: &AuthorizationRequest, signed_in_at: Option<i64>, consented: &str) -> Step {
        let consented = Scopes::parse(consented).expect("scopes");
        let candidates: Vec<_> = signed_in_at
            .map(|seconds| Candidate {
                session: session(1),
                subject: "ada",
                authenticated_at: at(seconds),
                consented: &consented,
            })
            .into_iter()
            .collect();
        next_step(request, &client(false), &candidates, at(1))
    }

    fn refusal(step: Step) -> ErrorCode {
        match step {
            Step::Refuse(refused) => refused.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_is_signed_in_and_agreed_is_not_asked() {
        assert_eq!(
            decide(&request(&[]), Some(-100), "openid email"),
            Step::Grant(session(1))
        );
        assert_eq!(
            decide(&request(&[Prompt::None]), Some(-100), "openid email"),
            Step::Grant(session(1))
        );
    }

    #[test]
    fn a_silent_request_never_shows_a_page() {
        let silent = request(&[Prompt::None]);
        assert_eq!(refusal(decide(&silent, None, "")), ErrorCode::LoginRequired);
        assert_eq!(
            refusal(decide(&silent, Some(-1), "openid")),
            ErrorCode::ConsentRequired
        );
        let aged = AuthorizationRequest {
            max_age: Some(0),
            ..silent
        };
        assert_eq!(
            refusal(decide(&aged, Some(-1), "openid email")),
            ErrorCode::LoginRequired
        );
    }

    #[test]
    fn a_fresh_login_is_asked_for_once() {
        let login = request(&[Prompt::Login]);
        assert_eq!(
            decide(&login, Some(-1), "openid email"),
            Step::Login(Unmet::NotFresh)
        );
        assert_eq!(
            decide(&login, Some(1), "openid email"),
            Step::Grant(session(1))
        );
        let aged = AuthorizationRequest {
            max_age: Some(10),
            ..request(&[])
        };
        assert_eq!(
            decide(&aged, Some(-10), "openid email"),
            Step::Login(Unmet::NotFresh)
        );
        assert_eq!(
            decide(&aged, Some(-9), "openid email"),
            Step::Grant(session(1))
        );
        let zero = AuthorizationRequest {
            max_age: Some(0),
            ..request(&[])
        };
        assert_eq!(
            decide(&zero, Some(0), "openid email"),
            Step::Grant(session(1))
        );
    }

    #[test]
    fn consent_is_asked_for_what_is_new() {
        assert_eq!(
            decide(&request(&[]), Some(-1), "openid"),
            Step::Consent(session(1))
        );
        let again = request(&[Prompt::Consent]);
        assert_eq!(
            decide(&again, Some(-1), "openid email"),
            Step::Consent(session(1))
        );
        let none = Scopes::default();
        let ada = Candidate {
            session: session(1),
            subject: "ada",
            authenticated_at: at(-1),
            consented: &none,
        };
        assert_eq!(
            next_step(&request(&[]), &client(true), &[ada], at(1)),
            Step::Grant(session(1))
        );
    }

    #[test]
    fn a_request_about_someone_is_answered_for_nobody_else() {
        let about = AuthorizationRequest {
            subject: Some("bob".into()),
            ..request(&[])
        };
        assert_eq!(
            decide(&about, Some(-1), "openid email"),
            Step::Login(Unmet::NotSignedIn)
        );
        assert_eq!(
            refusal(decide(&about, Some(1), "openid email")),
            ErrorCode::LoginRequired
        );
        let silent = AuthorizationRequest {
            prompt: vec![Prompt::None],
            ..about
        };
        assert_eq!(
            refusal(decide(&silent, Some(-1), "openid email")),
            ErrorCode::LoginRequired
        );
    }

    #[test]
    fn the_account_is_chosen_once() {
        let choose = request(&[Prompt::SelectAccount]);
        assert_eq!(
            decide(&choose, Some(-1), "openid email"),
            Step::SelectAccount
        );
        let chosen = AuthorizationRequest {
            selected: Some(session(1).as_uuid()),
            ..choose
        };
        assert_eq!(
            decide(&chosen, Some(-1), "openid email"),
            Step::Grant(session(1))
        );
        assert_eq!(decide(&chosen, None, ""), Step::Login(Unmet::NotSignedIn));
    }
}
