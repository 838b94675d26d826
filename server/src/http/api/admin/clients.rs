//! The clients of a tenant.

use std::sync::Arc;

use poem::{Request, http::header, web::Data};
use poem_openapi::{Object, OpenApi, param::Query, types::Example};
use serde::Serialize;

use super::page::{self, Search, check_query, default_limit};
use crate::{
    app::App,
    application::admin::clients,
    domain::{
        client::{Client, ClientId},
        secret::{ClientSecret, OpaqueToken},
    },
    http::{
        api::{
            Tag,
            client_wire::{ClientView, CreateClientBody},
        },
        extract::{
            administration::Administered, body::JsonBody, idempotency_key::IdempotencyKey,
            if_match::IfMatch, raw_members::RawMembers, tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::Nullable,
            once::Once,
        },
    },
};

/// Operations on clients.
#[derive(Debug)]
pub struct ClientsApi;

refusals! {
    /// Refusals of a creation.
    CreateClientRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        409 => "The client id is taken.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "Another request had this `Idempotency-Key`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a list.
    ListClientsRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a change.
    ChangeClientRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or client.",
        412 => "The client was changed since `If-Match`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on one client.
    ClientRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or client.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Clients")]
impl ClientsApi {
    /// Create a client
    ///
    /// The members are those of RFC 7591 and OpenID Connect registration, and a few of ours. The answer
    /// has all effective members and, this once, the secret of a client that authenticates with one.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients",
        method = "post",
        operation_id = "create_client"
    )]
    async fn create_client(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<RawMembers<CreateClientBody>>,
    ) -> Result<Once<201, ClientView>, Refused<CreateClientRefusals>> {
        let draft = clients::register(&app, &tenant, &body.0.members, app.now());
        let render = |(client, secret): &(Client, Option<OpaqueToken<ClientSecret>>)| {
            let location = format!(
                "{}/admin/v1/tenants/{}/clients/{}",
                app.public_url.as_str().trim_end_matches('/'),
                tenant.tenant().slug(),
                client.id
            );
            Answer::new(ClientView::new(client, secret.as_ref()))
                .header(header::ETAG, &clients::version(client))
                .header(header::LOCATION, &location)
        };
        Ok(key.once(&app, &tenant, draft, render).await?)
    }

    /// List clients
    ///
    /// A page of clients in order of id.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients",
        method = "get",
        operation_id = "list_clients"
    )]
    async fn list_clients(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many clients at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only clients whose id or name contains this.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
    ) -> Result<Answer<200, ClientPage>, Refused<ListClientsRefusals>> {
        let search = Search::of(request, &["q"])?;
        let scope = tenant.tenant();
        let limit = page::limit(limit.0);
        let after = search.read_cursor(cursor.0.as_deref(), ClientId::parse)?;
        check_query(q.0.as_deref())?;
        let page = clients::page(&app, scope, after.as_ref(), limit, q.0.as_deref()).await?;
        Ok(Answer::new(ClientPage {
            items: page
                .items
                .iter()
                .map(|client| ClientView::new(client, None))
                .collect(),
            next_cursor: Nullable(page.next.map(|id| search.write_cursor(id.as_str()))),
        }))
    }

    /// Read a client
    ///
    /// All its effective metadata, defaults included; never its secrets.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients/:client_id",
        method = "get",
        operation_id = "get_client"
    )]
    async fn get_client(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The client.
        client_id: Segment<6>,
    ) -> Result<Answer<200, ClientView>, Refused<ClientRefusals>> {
        let scope = tenant.tenant();
        let client = clients::find(&app, scope, &client_id.0).await?;
        Ok(answer(&client))
    }

    /// Change a client
    ///
    /// A JSON merge patch (RFC 7396): members that are missing stay, null sets a member back to its
    /// default. What a client was granted stays granted, within the scopes that it has afterwards.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients/:client_id",
        method = "patch",
        operation_id = "update_client"
    )]
    async fn update_client(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The client.
        client_id: Segment<6>,
        /// The `ETag` of the client as it was read; without it the change is made whatever the client is.
        #[oai(name = "If-Match")]
        seen: IfMatch,
        body: JsonBody<RawMembers<CreateClientBody>>,
    ) -> Result<Answer<200, ClientView>, Refused<ChangeClientRefusals>> {
        let (seen, members) = (seen.0.as_deref(), &body.0.members);
        let client = clients::patch(&app, &tenant, &client_id.0, seen, members, app.now()).await?;
        Ok(answer(&client))
    }

    /// Delete a client
    ///
    /// Every grant that the client has ends with it.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients/:client_id",
        method = "delete",
        operation_id = "delete_client"
    )]
    async fn delete_client(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The client.
        client_id: Segment<6>,
    ) -> Result<NoContent, Refused<ClientRefusals>> {
        clients::delete(&app, &tenant.0, &client_id.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn answer(client: &Client) -> Answer<200, ClientView> {
    Answer::new(ClientView::new(client, None)).header(header::ETAG, &clients::version(client))
}

/// A page of clients.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct ClientPage {
    items: Vec<ClientView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

impl Example for ClientPage {
    fn example() -> Self {
        Self {
            items: vec![ClientView::example()],
            next_cursor: Nullable(None),
        }
    }
}
