//! Pages of users. Each query reads a range of one index from the first row that is wanted, so a page
//! costs the same however many users there are.

use sea_orm::{ColumnTrait, sea_query::Expr};
use tokenhouse_entity::user;

use super::{
    tenant_tx::{Scoped, TenantTx},
    users::read_with_hash,
};
use crate::{
    application::{
        error::StoreError,
        ports::{UserFilter, UserPosition, UserWithHash},
    },
    domain::id::UserId,
};

/// After everything that a text can go on with.
const LAST: &str = "\u{10ffff}";

type Found = Vec<(UserPosition, UserWithHash)>;
type Query = Scoped<sea_orm::Select<user::Entity>>;

pub(super) async fn page(
    tx: &TenantTx,
    filter: &UserFilter,
    after: Option<&UserPosition>,
    limit: u32,
) -> Result<Found, StoreError> {
    let query = filtered(tx.find::<user::Entity>(), filter);
    let Some(q) = filter.q.as_deref().filter(|q| !q.is_empty()) else {
        let query = match after {
            Some(UserPosition::Id(id)) => query.filter(user::Column::Id.gt(id.as_uuid())),
            _ => query,
        };
        let query = query.in_order_of(user::Column::Id);
        return read(tx, query, limit, |row| {
            UserPosition::Id(UserId::from_uuid(row.id))
        })
        .await;
    };
    let q = q.to_lowercase();
    match after {
        Some(UserPosition::Email(email)) => {
            by_email(tx, query.filter(user::Column::Email.gt(email)), &q, limit).await
        }
        Some(UserPosition::Name(name, id)) => {
            by_name(tx, query, (name, id.as_uuid()), &q, limit).await
        }
        _ => {
            let from = query.filter(user::Column::Email.gte(&q));
            let found = by_email(tx, from, &q, limit).await?;
            if found.is_empty() {
                let query = filtered(tx.find::<user::Entity>(), filter);
                by_name(tx, query, (&q, uuid::Uuid::nil()), &q, limit).await
            } else {
                Ok(found)
            }
        }
    }
}

fn filtered(mut query: Query, filter: &UserFilter) -> Query {
    if let Some(email) = &filter.email {
        query = query.filter(user::Column::Email.eq(email.as_str()));
    }
    if let Some(id) = &filter.external_id {
        query = query.filter(user::Column::ExternalId.eq(id.as_str()));
    }
    if let Some(state) = filter.state {
        query = query.filter(user::Column::State.eq(state.name()));
    }
    query
}

async fn by_email(tx: &TenantTx, from: Query, q: &str, limit: u32) -> Result<Found, StoreError> {
    let query = from
        .filter(user::Column::Email.lt(format!("{q}{LAST}")))
        .in_order_of(user::Column::Email);
    read(tx, query, limit, |row| {
        UserPosition::Email(row.email.clone())
    })
    .await
}

async fn by_name(
    tx: &TenantTx,
    query: Query,
    (name, id): (&str, uuid::Uuid),
    q: &str,
    limit: u32,
) -> Result<Found, StoreError> {
    let pair = Expr::tuple([
        Expr::col(user::Column::SearchName),
        Expr::col(user::Column::Id),
    ]);
    let behind = sea_orm::ExprTrait::gt(
        pair,
        Expr::tuple([Expr::value(name.to_owned()), Expr::value(id)]),
    );
    let query = query
        .filter(behind)
        .filter(user::Column::SearchName.lt(format!("{q}{LAST}")))
        .in_order_of(user::Column::SearchName)
        .in_order_of(user::Column::Id);
    read(tx, query, limit, |row| {
        UserPosition::Name(row.search_name.clone(), UserId::from_uuid(row.id))
    })
    .await
}

async fn read(
    tx: &TenantTx,
    query: Query,
    limit: u32,
    position: impl Fn(&user::Model) -> UserPosition,
) -> Result<Found, StoreError> {
    let rows = tx.all(query.at_most(limit.into())).await?;
    rows.into_iter()
        .map(|row| Ok((position(&row), read_with_hash(row)?)))
        .collect()
}
