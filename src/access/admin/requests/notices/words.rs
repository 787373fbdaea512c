//! What people are told of requests and grants, in Chinese and in English.

use crate::domain::access::Grant;
use crate::domain::request::{Request, RequestState};

/// The title of the news that a grant ends soon.
pub(super) const ENDS_TITLE: &str = "发送授权即将到期 A right to send ends soon";

/// One line.
pub(super) fn request_title(request: &Request) -> String {
    let what = match request.state {
        RequestState::Open if request.is_agreed() => "申请待平台决定 A request waits for the platform",
        RequestState::Open => "申请待审批 A request waits for you",
        RequestState::Granted => "申请已批准 Your request is granted",
        RequestState::Refused => "申请未批准 Your request is refused",
        RequestState::SentBack => "申请被退回 Your request came back",
        RequestState::Lapsed => "申请已失效 Your request lapsed",
    };
    format!("{what} ({})", request.id)
}

/// The rest. Nothing of what people wrote stands in it: it is shown by the command that is named.
pub(super) fn request_body(request: &Request) -> String {
    let id = request.id;
    match request.state {
        RequestState::Open => format!(
            "有人申请发送权限。查看：`campanile access requests --to-decide`；决定：`campanile access decide {id} …`。\n\n\
             Somebody asks for a right to send. See it with `campanile access requests --to-decide`, and decide with \
             `campanile access decide {id} …`."
        ),
        RequestState::Granted => "申请已批准，现在即可发送。`campanile access grants` 列出您的授权。\n\n\
             You may send now; `campanile access grants` lists your grants."
            .to_owned(),
        RequestState::Refused | RequestState::SentBack => {
            "理由见 `campanile access requests --mine`；可修改后重新申请。\n\n\
             Why stands in `campanile access requests --mine`; you may ask again for something else."
                .to_owned()
        }
        RequestState::Lapsed => "两周内无人决定，申请已失效。如仍需要，请重新申请。\n\n\
             Nobody decided within two weeks. Ask again if it is still needed."
            .to_owned(),
    }
}

/// That a grant ends, and what to do.
pub(super) fn ends_body(grant: &Grant) -> String {
    let id = grant.id;
    format!(
        "授权 {id} 将在两周内到期。如仍需要，请再次申请或请管理员延期。\n\n\
         Grant {id} ends within two weeks. Ask again, or have an administrator renew it, if it is still needed."
    )
}
