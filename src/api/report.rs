//! `ReportService`: totals.

use tonic::{Request, Response, Status};

use super::convert::{self, enums, invalid, message, not_yet, required, time};
use super::v1::report_service_server::ReportService;
use super::{Services, v1};
use crate::domain::access::Principal;
use crate::domain::refusal::Refusal;
use crate::report::{GroupBy, TotalRow, TotalsQuery};

#[tonic::async_trait]
impl ReportService for Services {
    async fn get_report(
        &self,
        request: Request<v1::GetReportRequest>,
    ) -> Result<Response<v1::GetReportResponse>, Status> {
        let caller = self.caller(request.metadata()).await?;
        let query = query(request.into_inner())?;
        let totals = self.reporter.totals(&caller, &query).await?;

        let rows = totals.into_iter().map(row).collect();
        Ok(Response::new(v1::GetReportResponse { rows }))
    }
}

fn query(request: v1::GetReportRequest) -> Result<TotalsQuery, Refusal> {
    let mut group_by = Vec::with_capacity(request.group_by.len().min(8));
    for (place, number) in request.group_by.iter().enumerate() {
        let group = group(&format!("group_by[{place}]"), *number)?;
        if group_by.contains(&group) {
            return Err(invalid(&format!("group_by[{place}]"), "repeats a group; name each once"));
        }
        group_by.push(group);
    }
    let application = message::id_if("application_id", &request.application_id)?;
    Ok(TotalsQuery {
        from: time::at_if("start_at", request.start_at.as_ref())?.ok_or_else(|| required("start_at"))?,
        to: time::at_if("end_at", request.end_at.as_ref())?,
        group_by,
        principal: application.map(Principal::Application),
        department_id: convert::publish::external_id("department_id", request.department_id)?,
        channel: enums::channel_if("channel", request.channel)?,
    })
}

fn group(path: &str, number: i32) -> Result<GroupBy, Refusal> {
    match v1::GroupBy::try_from(number) {
        Ok(v1::GroupBy::Month) => Ok(GroupBy::Month),
        Ok(v1::GroupBy::Day) => Ok(GroupBy::Day),
        Ok(v1::GroupBy::Department) => Ok(GroupBy::Department),
        Ok(v1::GroupBy::Application) => Ok(GroupBy::Principal),
        Ok(v1::GroupBy::Channel) => Ok(GroupBy::Channel),
        Ok(v1::GroupBy::Class) => Ok(GroupBy::Class),
        Ok(v1::GroupBy::Outcome) => Ok(GroupBy::Outcome),
        Ok(v1::GroupBy::Topic) => Err(not_yet(path)),
        Ok(v1::GroupBy::Unspecified) | Err(_) => Err(invalid(path, "names nothing to divide by")),
    }
}

fn row(total: TotalRow) -> v1::ReportRow {
    let application = |principal| match principal {
        Principal::Application(id) => Some(id.to_string()),
        Principal::Person(_) => None,
    };
    v1::ReportRow {
        month: total.month.unwrap_or_default(),
        day: total.day.unwrap_or_default(),
        department_id: total.department_id.unwrap_or_default(),
        application_id: total.principal.and_then(application).unwrap_or_default(),
        channel: total.channel.map_or(0, enums::channel_number),
        message_class: total.class.map_or(0, enums::class_number),
        outcome: total.outcome.map_or(0, enums::outcome_number),
        topic: String::new(),
        deliveries: i64::try_from(total.deliveries).unwrap_or(i64::MAX),
        messages: 0,
        people: 0,
    }
}
