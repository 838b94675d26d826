use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ExprTrait,
    sea_query::{Expr, Func, LikeExpr},
};
use sha2::{Digest, Sha256};
use tokenhouse_entity::{client, client_origin, grant, initial_access_token};

use super::{
    client_secrets,
    connection::Dialect,
    row::{Row, time},
    tenant_tx::TenantTx,
    tenants::containing,
};
use crate::{
    application::{error::StoreError, ports::Clients},
    domain::{
        client::{Client, ClientId, initial_access::InitialAccessToken},
        id::{GrantId, InitialAccessTokenId, SessionId},
        secret::{InitialAccess, TokenDigest},
        timestamp::Timestamp,
    },
};

#[async_trait]
impl Clients for TenantTx {
    async fn add_client(&mut self, client: &Client) -> Result<(), StoreError> {
        self.insert::<client::Entity>(client::ActiveModel {
            id: Set(client.id.as_str().to_owned()),
            metadata: Set(written(client)?),
            secrets: Set(client_secrets::written(&client.secrets)?),
            registration_digest: Set(client
                .registration_access
                .as_ref()
                .map(|d| d.as_bytes().to_vec())),
            first_party: Set(client.first_party),
            not_before: Set(client.not_before.map(Timestamp::as_micros)),
            created_at: Set(client.created_at.as_micros()),
            updated_at: Set(client.updated_at.as_micros()),
            ..client::ActiveModel::default()
        })
        .await?;
        self.add_origins(client).await
    }

    async fn client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let query = self
            .find::<client::Entity>()
            .filter(client::Column::Id.eq(id.as_str()));
        self.one(query)
            .await?
            .map(|row| read_client(&row))
            .transpose()
    }

    async fn update_client(
        &mut self,
        client: &Client,
        seen: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update::<client::Entity>()
            .set(client::Column::Metadata, written(client)?)
            .set(
                client::Column::Secrets,
                client_secrets::written(&client.secrets)?,
            )
            .set(client::Column::FirstParty, client.first_party)
            .set(
                client::Column::RegistrationDigest,
                client
                    .registration_access
                    .as_ref()
                    .map(|digest| digest.as_bytes().to_vec()),
            )
            .set(client::Column::UpdatedAt, client.updated_at.as_micros())
            .filter(client::Column::Id.eq(client.id.as_str()))
            .filter(client::Column::UpdatedAt.eq(seen.as_micros()));
        if self.change(update).await? == 0 {
            return Ok(false);
        }
        let stale = self
            .delete::<client_origin::Entity>()
            .filter(client_origin::Column::ClientId.eq(client.id.as_str()));
        self.remove(stale).await?;
        self.add_origins(client).await?;
        Ok(true)
    }

    async fn delete_client(
        &mut self,
        id: &ClientId,
    ) -> Result<Option<Vec<(SessionId, GrantId)>>, StoreError> {
        let grants = self
            .find::<grant::Entity>()
            .filter(grant::Column::ClientId.eq(id.as_str()));
        let grants = self.all(grants).await?;
        let client = self
            .delete::<client::Entity>()
            .filter(client::Column::Id.eq(id.as_str()));
        let ids = |grant: grant::Model| {
            (
                SessionId::from_uuid(grant.session_id),
                GrantId::from_uuid(grant.id),
            )
        };
        let gone = self.remove(client).await? > 0;
        Ok(gone.then(|| grants.into_iter().map(ids).collect()))
    }

    async fn clients_page(
        &mut self,
        after: Option<&ClientId>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<Client>, StoreError> {
        let mut query = self
            .find::<client::Entity>()
            .filter(client::Column::Id.gt(after.map_or("", ClientId::as_str)))
            .filter(client::Column::Id.ne(ClientId::first_party().as_str()))
            .in_order_of(client::Column::Id)
            .at_most(limit.into());
        if let Some(q) = q {
            let like = |text: Expr| {
                let pattern = LikeExpr::new(containing(&q.to_lowercase())).escape('\\');
                Expr::expr(Func::lower(text)).like(pattern)
            };
            let name = match self.dialect() {
                Dialect::Sqlite => "json_extract(metadata, '$.client_name')",
                Dialect::Postgres => "metadata::json ->> 'client_name'",
            };
            let id = Expr::col(client::Column::Id);
            query = query.filter(like(id).or(like(Expr::cust(name))));
        }
        let rows = self.all(query).await?;
        rows.iter().map(read_client).collect()
    }

    async fn count_dynamic_clients(&mut self) -> Result<u64, StoreError> {
        let query = self
            .find::<client::Entity>()
            .filter(client::Column::RegistrationDigest.is_not_null());
        self.count(query).await
    }

    async fn is_client_origin(&mut self, origin: &str) -> Result<bool, StoreError> {
        let query = self
            .find::<client_origin::Entity>()
            .filter(client_origin::Column::Origin.eq(origin))
            .at_most(1);
        Ok(self.one(query).await?.is_some())
    }

    async fn add_initial_access(&mut self, token: &InitialAccessToken) -> Result<(), StoreError> {
        self.insert::<initial_access_token::Entity>(initial_access_token::ActiveModel {
            id: Set(token.id.as_uuid()),
            digest: Set(token.digest.as_bytes().to_vec()),
            remaining_uses: Set(token.remaining_uses.map(i64::from)),
            expires_at: Set(token.expires_at.map(Timestamp::as_micros)),
            created_at: Set(token.created_at.as_micros()),
            ..initial_access_token::ActiveModel::default()
        })
        .await
    }

    async fn is_initial_access(
        &mut self,
        token: &TokenDigest<InitialAccess>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use initial_access_token::Column;
        let left = Column::RemainingUses
            .is_null()
            .or(Column::RemainingUses.gt(0));
        let in_time = Column::ExpiresAt
            .is_null()
            .or(Column::ExpiresAt.gt(now.as_micros()));
        let query = self
            .find::<initial_access_token::Entity>()
            .filter(Column::Digest.eq(token.as_bytes().to_vec()))
            .filter(left)
            .filter(in_time);
        Ok(self.one(query).await?.is_some())
    }

    async fn use_initial_access(
        &mut self,
        token: &TokenDigest<InitialAccess>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .execute_sql(
                "UPDATE initial_access_tokens SET remaining_uses = remaining_uses - 1 \
                 WHERE tenant_id = $1 AND digest = $2 \
                 AND (remaining_uses IS NULL OR remaining_uses > 0) \
                 AND (expires_at IS NULL OR expires_at > $3)",
                [token.as_bytes().to_vec().into(), now.as_micros().into()],
            )
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn initial_access(
        &mut self,
        id: InitialAccessTokenId,
    ) -> Result<Option<InitialAccessToken>, StoreError> {
        let query = self
            .find::<initial_access_token::Entity>()
            .filter(initial_access_token::Column::Id.eq(id.as_uuid()));
        self.one(query)
            .await?
            .map(|row| read_initial_access(&row))
            .transpose()
    }

    async fn initial_access_page(
        &mut self,
        after: Option<InitialAccessTokenId>,
        limit: u32,
    ) -> Result<Vec<InitialAccessToken>, StoreError> {
        let mut query = self.find::<initial_access_token::Entity>();
        if let Some(after) = after {
            query = query.filter(initial_access_token::Column::Id.lt(after.as_uuid()));
        }
        let query = query
            .latest_id_first(initial_access_token::Column::Id)
            .at_most(limit.into());
        let rows = self.all(query).await?;
        rows.iter().map(read_initial_access).collect()
    }

    async fn delete_initial_access(
        &mut self,
        id: InitialAccessTokenId,
    ) -> Result<bool, StoreError> {
        let query = self
            .delete::<initial_access_token::Entity>()
            .filter(initial_access_token::Column::Id.eq(id.as_uuid()));
        Ok(self.remove(query).await? > 0)
    }
}

fn read_initial_access(
    row: &initial_access_token::Model,
) -> Result<InitialAccessToken, StoreError> {
    let at = Row {
        table: "initial_access_tokens",
        id: &row.id,
    };
    let uses = row.remaining_uses.map(u32::try_from).transpose();
    Ok(InitialAccessToken {
        id: InitialAccessTokenId::from_uuid(row.id),
        digest: TokenDigest::from_bytes(at.digest("digest", &row.digest)?),
        remaining_uses: at.read("remaining_uses", uses)?,
        expires_at: time(row.expires_at),
        created_at: Timestamp::from_micros(row.created_at),
    })
}

impl TenantTx {
    async fn add_origins(&self, client: &Client) -> Result<(), StoreError> {
        for origin in client.metadata.origins() {
            // The id only has to differ from other rows of the tenant.
            let name = format!("{}\n{origin}", client.id);
            self.insert::<client_origin::Entity>(client_origin::ActiveModel {
                id: Set(named_id(&name)),
                client_id: Set(client.id.as_str().to_owned()),
                origin: Set(origin),
                ..client_origin::ActiveModel::default()
            })
            .await?;
        }
        Ok(())
    }
}

/// A UUID that is the same for the same name (RFC 9562 §5.8).
fn named_id(name: &str) -> uuid::Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn written(client: &Client) -> Result<String, StoreError> {
    serde_json::to_string(&client.metadata)
        .map_err(|error| StoreError::Unavailable(Box::new(error)))
}

pub(super) fn read_client(row: &client::Model) -> Result<Client, StoreError> {
    let at = Row {
        table: "clients",
        id: &row.id,
    };
    let registration = row.registration_digest.as_deref();
    Ok(Client {
        id: at.read("id", ClientId::parse(&row.id))?,
        secrets: client_secrets::read(&row.secrets).ok_or_else(|| at.corrupt("secrets"))?,
        metadata: at.read("metadata", serde_json::from_str(&row.metadata))?,
        first_party: row.first_party,
        registration_access: registration
            .map(|bytes| at.digest("registration_digest", bytes))
            .transpose()?
            .map(TokenDigest::from_bytes),
        not_before: time(row.not_before),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}
