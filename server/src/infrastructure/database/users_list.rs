//! Pages of users. Each query reads a range of one index from the first row that is wanted, so a page
//! costs the same however many users there are.

use sea_orm::{ColumnTrait, ExprTrait, Value, sea_query::Expr};
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
    domain::{id::UserId, user::UserState},
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
        let query = match filter.state {
            Some(state) => query.filter(user::Column::State.eq(state.name())),
            None => query,
        };
        let query = query.in_order_of(user::Column::Id);
        return read(
            tx,
            query,
            limit,
            |_| true,
            |row| UserPosition::Id(UserId::from_uuid(row.id)),
        )
        .await;
    };
    let search = Search {
        end: format!("{}{LAST}", q.to_lowercase()),
        q: q.to_lowercase(),
        state: filter.state.map(UserState::name),
        limit,
    };
    match after {
        Some(UserPosition::Email(email)) => {
            let start = search.compared(&[user::Column::Email], vec![email.as_str().into()]);
            search.by_email(tx, query, start.0.gt(start.1)).await
        }
        Some(UserPosition::Name(name, id)) => search.by_name(tx, query, name, id.as_uuid()).await,
        _ => {
            let start = search.compared(&[user::Column::Email], vec![search.q.as_str().into()]);
            let found = search.by_email(tx, query, start.0.gte(start.1)).await?;
            if found.is_empty() {
                let query = filtered(tx.find::<user::Entity>(), filter);
                search
                    .by_name(tx, query, &search.q, uuid::Uuid::nil())
                    .await
            } else {
                Ok(found)
            }
        }
    }
}

/// All but the state: in a search it is a part of the order.
fn filtered(mut query: Query, filter: &UserFilter) -> Query {
    if let Some(email) = &filter.email {
        query = query.filter(user::Column::Email.eq(email.as_str()));
    }
    if let Some(id) = &filter.external_id {
        query = query.filter(user::Column::ExternalId.eq(id.as_str()));
    }
    query
}

/// Users whose address or name begins so.
struct Search {
    q: String,
    end: String,
    state: Option<&'static str>,
    limit: u32,
}

impl Search {
    /// Columns and where to begin, the state first if one is wanted. In one comparison, and with the state in
    /// the order instead of a condition of its own: several indexes serve the conditions one by one, and of
    /// them a planner without statistics may take the one that reads all users of other states too.
    fn compared(&self, columns: &[user::Column], from: Vec<Value>) -> (Expr, Expr) {
        let state = self.state.map(Value::from);
        let columns = self.order(columns).into_iter().map(Expr::col);
        let from = state.into_iter().chain(from).map(Expr::value);
        (Expr::tuple(columns), Expr::tuple(from))
    }

    fn order(&self, columns: &[user::Column]) -> Vec<user::Column> {
        let state = self.state.map(|_| user::Column::State);
        state.into_iter().chain(columns.iter().copied()).collect()
    }

    async fn by_email(
        &self,
        tx: &TenantTx,
        query: Query,
        start: Expr,
    ) -> Result<Found, StoreError> {
        let query = self.ordered(query.filter(start), &[user::Column::Email]);
        let wanted = |row: &user::Model| self.has_state(row) && row.email < self.end;
        read(tx, query, self.limit, wanted, |row| {
            UserPosition::Email(row.email.clone())
        })
        .await
    }

    async fn by_name(
        &self,
        tx: &TenantTx,
        query: Query,
        name: &str,
        id: uuid::Uuid,
    ) -> Result<Found, StoreError> {
        let columns = [user::Column::SearchName, user::Column::Id];
        let start = self.compared(&columns, vec![name.into(), id.into()]);
        let query = self.ordered(query.filter(start.0.gt(start.1)), &columns);
        let wanted = |row: &user::Model| self.has_state(row) && row.search_name < self.end;
        read(tx, query, self.limit, wanted, |row| {
            UserPosition::Name(row.search_name.clone(), UserId::from_uuid(row.id))
        })
        .await
    }

    fn ordered(&self, query: Query, columns: &[user::Column]) -> Query {
        let order = self.order(columns).into_iter();
        order.fold(query, Scoped::in_order_of)
    }

    fn has_state(&self, row: &user::Model) -> bool {
        self.state.is_none_or(|state| row.state == state)
    }
}

/// The end of what is wanted is looked for here: of a range with two ends, a planner without fresh statistics
/// believes that it is small, and sorts all of it instead of walking the index.
async fn read(
    tx: &TenantTx,
    query: Query,
    limit: u32,
    wanted: impl Fn(&user::Model) -> bool,
    position: impl Fn(&user::Model) -> UserPosition,
) -> Result<Found, StoreError> {
    let rows = tx.all(query.at_most(limit.into())).await?;
    rows.into_iter()
        .take_while(|row| wanted(row))
        .map(|row| Ok((position(&row), read_with_hash(row)?)))
        .collect()
}
