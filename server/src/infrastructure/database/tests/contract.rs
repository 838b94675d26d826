//! The contract of [`Rotations`], held to by SQLite and Postgres.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::ColumnTrait;
use tokenhouse_entity::grant;

use super::{
    super::{
        DatabaseRotations, DatabaseStore,
        tenant_tx::{Access, TenantTx},
    },
    fixture::{self, client, new_tenant, phc, session, user, uuid},
};
use crate::{
    application::ports::{Rotations, Store},
    domain::{client::ClientId, grant::Floor, id::GrantId, tenant::TenantScope},
    testing::{clock::TestClock, contract::rotations::Fixture},
};

struct DatabaseFixture {
    db: fixture::Fixture,
    tenant: TenantScope,
    clock: TestClock,
}

impl DatabaseFixture {
    async fn on(db: fixture::Fixture) -> Self {
        let tenant = new_tenant(&db, "contract").await;
        Self {
            db,
            tenant,
            clock: TestClock::default(),
        }
    }

    fn instance(&self) -> Arc<dyn Rotations> {
        Arc::new(DatabaseRotations::new((*self.db).clone()))
    }
}

#[async_trait]
impl Fixture for DatabaseFixture {
    fn tenant(&self) -> &TenantScope {
        &self.tenant
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn rotations(&self) -> Arc<dyn Rotations> {
        self.instance()
    }

    fn second_instance(&self) -> Arc<dyn Rotations> {
        self.instance()
    }

    async fn add_family(&self, family: GrantId, owner: &ClientId, floor: &Floor) {
        let user = user(&format!("{}@example.com", uuid()));
        let session = session(&user);
        let mut grant = fixture::grant(&session);
        grant.id = family;
        grant.client_id = owner.clone();
        grant.idle_end = floor.idle_end;
        grant.absolute_end = floor.absolute_end;
        let store = DatabaseStore::new((*self.db).clone());
        let mut work = store.begin(&self.tenant).await.unwrap();
        if work.client(owner).await.unwrap().is_none() {
            work.add_client(&client(owner.as_str())).await.unwrap();
        }
        work.add_user(&user, Some(&phc())).await.unwrap();
        work.add_session(&session).await.unwrap();
        work.add_grant(&grant).await.unwrap();
        work.commit().await.unwrap();

        // The floor as it is given: any generation, with or without the secret of it.
        let tx = TenantTx::begin(&self.db, self.tenant.id(), Access::Write)
            .await
            .unwrap();
        let leaf = floor.leaf.map(|leaf| leaf.as_bytes().to_vec());
        let update = tx
            .update::<grant::Entity>()
            .set(grant::Column::Generation, i64::from(floor.generation.0))
            .set(grant::Column::LeafDigest, leaf)
            .filter(grant::Column::Id.eq(family.as_uuid()));
        assert_eq!(tx.change(update).await.unwrap(), 1);
        tx.finish().await.unwrap();
    }
}

mod on_sqlite {
    async fn fixture() -> super::DatabaseFixture {
        super::DatabaseFixture::on(super::fixture::sqlite().await).await
    }

    crate::rotations_contract!(fixture);
}

mod on_postgres {
    async fn fixture() -> super::DatabaseFixture {
        super::DatabaseFixture::on(super::fixture::postgres().await).await
    }

    crate::rotations_contract!(fixture);
}
