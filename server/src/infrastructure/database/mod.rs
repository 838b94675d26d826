//! The SQL stores: SQLite and Postgres behind one set of queries.
//!
//! Work inside a tenant goes through `tenant_tx::TenantTx`, whose queries carry the tenant; on
//! Postgres row-level security says the same once more.

mod address;
mod agenda;
mod audit;
mod client_secrets;
mod clients;
mod clock;
mod connection;
mod consents;
mod domains;
mod error;
mod faults;
mod first_look;
mod floors;
mod grants;
mod invitations;
mod kept_answers;
mod key_directory;
mod keys;
mod live;
mod rotations;
mod row;
mod sessions;
mod single_use;
mod store;
mod tenant_tx;
mod tenants;
mod tenants_list;
#[cfg(test)]
mod tests;
mod unfit;
mod users;
mod users_list;

pub use address::{BadAddress, check_address};
pub use connection::{DATABASE, Database, Dialect, connect};
pub use floors::DatabaseFloors;
pub use rotations::DatabaseRotations;
pub use single_use::DatabaseSingleUse;
pub use store::DatabaseStore;
pub use tenants::DatabaseTenants;
pub use unfit::NoConnection;
