use super::*;
use crate::domain::client::{
    ClientId,
    metadata::{AuthMethod, ClientMetadata},
    redirect_uri::RedirectUri,
};

const NOW: Timestamp = Timestamp::from_micros(1_000_000);
const BASE: &str = "client_id=web&redirect_uri=https://rp.example/cb&response_type=code&state=s&\
                    code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn client(change: impl Fn(&mut ClientMetadata)) -> Client {
    let mut client = Client {
        id: ClientId::parse("web").expect("an id"),
        first_party: false,
        metadata: ClientMetadata {
            redirect_uris: vec![RedirectUri::parse("https://rp.example/cb").expect("a URI")],
            resources: vec!["https://api.example".to_owned()],
            ..ClientMetadata::default()
        },
        ..Client::first_party("x", NOW)
    };
    change(&mut client.metadata);
    client
}

fn check_with(client: &Client, query: &str) -> Result<AuthorizationRequest, ErrorCode> {
    let parameters = Parameters::parse(query.as_bytes()).expect("parameters");
    let address = return_address(client, &parameters).expect("an address");
    AuthorizationRequest::check(client, address, &parameters, &[], None, NOW)
        .map_err(|refused| refused.code)
}

fn check(more: &str) -> Result<AuthorizationRequest, ErrorCode> {
    check_with(&client(|_| {}), &format!("{BASE}{more}"))
}

#[test]
fn a_plain_request_is_read() {
    let request =
        check("&scope=openid+email+unknown&nonce=n&max_age=0&prompt=login+consent&extra=foobar")
            .expect("a request");
    assert_eq!(request.scope.to_string(), "openid email");
    assert_eq!(request.address.state.as_deref(), Some("s"));
    assert_eq!((request.max_age, request.wants_auth_time), (Some(0), true));
    assert!(request.asks(Prompt::Login) && request.asks(Prompt::Consent));
}

#[test]
fn each_mistake_has_its_code() {
    use ErrorCode::*;
    for (more, expected) in [
        ("&state=again", InvalidRequest),
        ("&scope=a&scope=b", InvalidRequest),
        ("&request=x", RequestNotSupported),
        ("&request_uri=x", RequestUriNotSupported),
        ("&registration=x", RegistrationNotSupported),
        ("&response_mode=fragment", InvalidRequest),
        ("&scope=nothing+known", InvalidScope),
        ("&scope=%22", InvalidScope),
        ("&prompt=none+login", InvalidRequest),
        ("&prompt=dance", InvalidRequest),
        ("&max_age=-1", InvalidRequest),
        ("&max_age=%2B1", InvalidRequest),
        ("&claims=[]", InvalidRequest),
        ("&resource=https://other.example", InvalidTarget),
    ] {
        assert_eq!(check(more).err(), Some(expected), "{more}");
    }
}

/// T23.
#[test]
fn a_challenge_is_s256_or_refused() {
    let without = "client_id=web&redirect_uri=https://rp.example/cb&response_type=code";
    let strict = client(|_| {});
    let relaxed = client(|metadata| metadata.require_pkce = false);
    let public = client(|metadata| {
        metadata.require_pkce = false;
        metadata.token_endpoint_auth_method = Some(AuthMethod::None);
    });
    assert_eq!(
        check_with(&strict, without).err(),
        Some(ErrorCode::InvalidRequest)
    );
    assert_eq!(
        check_with(&public, without).err(),
        Some(ErrorCode::InvalidRequest)
    );
    assert!(check_with(&relaxed, without).is_ok());
    for bad in [
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=plain",
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=s256",
        "&code_challenge=short&code_challenge_method=S256",
        "&code_challenge_method=S256",
    ] {
        let query = format!("{without}{bad}");
        assert_eq!(
            check_with(&relaxed, &query).err(),
            Some(ErrorCode::InvalidRequest),
            "{bad}"
        );
    }
}

#[test]
fn resources_are_those_that_someone_allowed() {
    let request =
        check("&resource=https://api.example&resource=https://api.example").expect("a request");
    assert_eq!(request.resources, ["https://api.example"]);
}

#[test]
fn only_what_the_client_registered_is_given() {
    let other = client(|metadata| metadata.grant_types = vec![GrantType::ClientCredentials]);
    assert_eq!(
        check_with(&other, BASE).err(),
        Some(ErrorCode::UnauthorizedClient)
    );
    let no_refresh = client(|metadata| metadata.grant_types = vec![GrantType::AuthorizationCode]);
    let request = check_with(&no_refresh, &format!("{BASE}&scope=openid+offline_access"));
    assert_eq!(request.expect("a request").scope.to_string(), "openid");
}

#[test]
fn nobody_is_answered_at_an_address_that_is_not_registered() {
    let client = client(|_| {});
    for (query, expected) in [
        ("", Untrusted::MissingRedirectUri),
        ("redirect_uri=", Untrusted::MissingRedirectUri),
        (
            "redirect_uri=https://evil.example/",
            Untrusted::RedirectUriMismatch,
        ),
        (
            "redirect_uri=https://rp.example/cb&redirect_uri=https://rp.example/cb",
            Untrusted::RedirectUriMismatch,
        ),
    ] {
        let parameters = Parameters::parse(query.as_bytes()).expect("parameters");
        assert_eq!(
            return_address(&client, &parameters),
            Err(expected),
            "{query}"
        );
    }
}
