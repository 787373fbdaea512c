//! [`Deliveries`] on PostgreSQL.

use async_trait::async_trait;

use super::encode::{get, known, small, unsigned};
use super::{Postgres, leg, row};
use crate::domain::batch::{Claimed, Fence, Settlement};
use crate::domain::channel::Channel;
use crate::domain::class::Lane;
use crate::domain::directory::UserStatus;
use crate::domain::id::{LegId, MessageId};
use crate::domain::time::At;
use crate::store::delivery::best;
use crate::store::{Claim, Deliveries, Depth, LegMaterial, Reach, Result};

#[async_trait]
impl Deliveries for Postgres {
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>> {
        self.take(&claim).await
    }

    async fn open(&self, calls: Vec<(Fence, u32)>) -> Result<Vec<bool>> {
        self.note_opened(&calls).await
    }

    async fn settle(&self, group: Vec<Settlement>) -> Result<Vec<bool>> {
        self.settle_all(&group).await
    }

    async fn close_complete(&self, limit: usize) -> Result<usize> {
        self.sweep(limit).await
    }

    async fn release(&self, fences: Vec<Fence>) -> Result<()> {
        self.give_back(&fences).await
    }

    async fn owned(&self, epoch: i64) -> Result<Vec<Fence>> {
        self.owned_by(epoch).await
    }

    async fn material(&self, message: MessageId) -> Result<Option<LegMaterial>> {
        const SQL: &str = "select name from department where id = $1";
        let session = self.session().await?;
        let Some(message) = row::by_id(&session, message).await? else { return Ok(None) };
        let department = session.maybe(SQL, &[&message.facts.department_id]).await?;
        Ok(Some(LegMaterial {
            facts: message.facts,
            content: message.content,
            department_name: department.map(|row| get(&row, 0)).transpose()?.unwrap_or_default(),
            cancelled_at: message.cancelled_at,
        }))
    }

    async fn reach(&self, channel: Channel, ordinals: Vec<u32>) -> Result<Vec<Reach>> {
        const SQL: &str = "select asked.ordinal, person.status, best.value, best.state \
                           from unnest($1::bigint[]) with ordinality as asked (ordinal, place) \
                           left join \"user\" as person on person.ordinal = asked.ordinal and erased_at is null \
                           left join lateral (select value, state from address \
                             where address.ordinal = asked.ordinal and channel = $2 \
                             order by state, value limit 1) best on true \
                           order by asked.place";
        let asked: Vec<i64> = ordinals.into_iter().map(i64::from).collect();
        let rows = self.session().await?.rows(SQL, &[&asked, &channel.code()]).await?;
        rows.iter()
            .map(|row| {
                let (ordinal, status) = (small(row, 0)?, get::<Option<i64>>(row, 1)?);
                let Some(status) = status else {
                    return Ok(Reach { ordinal, address: None, receives: false, erased: true });
                };
                let receives = known(UserStatus::from_code(status), "user status")?.receives();
                Ok(Reach { ordinal, address: best(get(row, 2)?, get(row, 3)?)?, receives, erased: false })
            })
            .collect()
    }

    async fn depth(&self) -> Result<Vec<Depth>> {
        const SQL: &str = "select provider_id, lane, sum(waiting)::bigint, sum(claimed)::bigint, min(due_at) from ( \
                             select provider_id, lane, count(*) as waiting, 0 as claimed, min(due_at) as due_at \
                             from batch where state = 1 group by provider_id, lane \
                             union all \
                             select provider_id, lane, 0, count(*), null from batch where state = 2 \
                             group by provider_id, lane \
                           ) as open group by provider_id, lane order by provider_id, lane";
        let rows = self.session().await?.rows(SQL, &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(Depth {
                    provider: get::<&str>(row, 0)?.into(),
                    lane: known(Lane::from_code(get(row, 1)?), "lane")?,
                    waiting: unsigned(get(row, 2)?),
                    claimed: unsigned(get(row, 3)?),
                    due_at: get::<Option<i64>>(row, 4)?.map(At),
                })
            })
            .collect()
    }

    async fn held(&self, leg: LegId) -> Result<u64> {
        leg::held(&self.session().await?, leg).await
    }
}
