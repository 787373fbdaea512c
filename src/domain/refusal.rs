//! Why a call was refused: one stable reason, the field, a sentence that says what to do.
//!
//! Every use-case returns `Result<_, Refusal>`; `api::error` maps it to the wire in one place. `docs/errors.md`
//! lists every reason and is checked against [`Reason::ALL`]. A refusal never holds a secret or an address.

mod chinese;

use std::fmt;
use std::time::Duration;

pub use chinese::chinese;

/// The kind of a refusal: the gRPC status it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nobody knows who calls.
    Unauthenticated,
    /// The caller may not.
    PermissionDenied,
    /// The request is wrong whatever the state of the system.
    InvalidArgument,
    /// The request does not fit the state of the system.
    FailedPrecondition,
    /// It exists, and is another.
    AlreadyExists,
    /// There is none that the caller may see.
    NotFound,
    /// Somebody else was first.
    Aborted,
    /// A limit is reached.
    ResourceExhausted,
    /// A cursor or position lies outside what is kept.
    OutOfRange,
    /// Try again.
    Unavailable,
    /// Not built yet.
    Unimplemented,
    /// Our fault.
    Internal,
}

impl Kind {
    /// The number that `google.rpc.Code` gives it, <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Kind::InvalidArgument => 3,
            Kind::NotFound => 5,
            Kind::AlreadyExists => 6,
            Kind::PermissionDenied => 7,
            Kind::ResourceExhausted => 8,
            Kind::FailedPrecondition => 9,
            Kind::Aborted => 10,
            Kind::OutOfRange => 11,
            Kind::Unimplemented => 12,
            Kind::Internal => 13,
            Kind::Unavailable => 14,
            Kind::Unauthenticated => 16,
        }
    }
}

macro_rules! reasons {
    ($($name:ident = $text:literal, $kind:ident, $doc:literal, $chinese:literal;)*) => {
        /// The stable reason of a refusal. The text is interface and never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $doc] $name,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// The stable text.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }

            /// The kind of every refusal with this reason.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $(Reason::$name => Kind::$kind,)* }
            }

            /// What is wrong and what to do in Chinese, for [`chinese()`] to put the facts in.
            fn chinese(self) -> &'static str {
                match self { $(Reason::$name => $chinese,)* }
            }

            /// When it happens, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$name => $doc,)* }
            }
        }
    };
}

reasons! {
    TokenMissing = "TOKEN_MISSING", Unauthenticated, "The call carries no bearer token.",
        "调用没有携带令牌。请发送元数据 authorization: Bearer 加令牌。";
    TokenInvalid = "TOKEN_INVALID", Unauthenticated, "The token is unknown, revoked, expired or damaged.",
        "令牌不存在、已撤销、已过期或已损坏。请向管理员申请新的密钥，个人令牌请由应用网关重新签发。";
    PersonRequired = "PERSON_REQUIRED", PermissionDenied, "Only a person's token may do this.",
        "只有个人的令牌可以这样做。请用本人的令牌调用。";
    ScopeMissing = "SCOPE_MISSING", PermissionDenied, "The key lacks the scope that this call needs.",
        "这个密钥没有所需的权限范围[ {scope}]。请向管理员申请带有它的密钥。";
    RoleMissing = "ROLE_MISSING", PermissionDenied, "The caller lacks the role that this call needs, or has it elsewhere only.",
        "您没有所需的角色[ {role}]，或只在别的部门担任。请向管理员申请。";
    ExceedsOwnRights = "EXCEEDS_OWN_RIGHTS", PermissionDenied, "Nobody gives more than they could do themselves.",
        "所给的权利超出了您自己的管理范围。请缩小，或请平台管理员来给。";
    OwnRequest = "OWN_REQUEST", PermissionDenied, "Nobody decides on their own request.",
        "不能审批自己的申请。请由另一位有权的人决定。";
    RequestClosed = "REQUEST_CLOSED", FailedPrecondition, "The request is decided or has lapsed.",
        "这个申请已经有了决定或已失效。如仍需要，请重新申请。";
    GrantMissing = "GRANT_MISSING", PermissionDenied, "The caller holds no valid grant.",
        "调用方没有有效的授权。请向管理员申请授权。";
    GrantRevoked = "GRANT_REVOKED", PermissionDenied, "The grant was taken back or ran out while the publish was under way.",
        "发布过程中授权[ {grant_id} ]被收回或已到期。请申请新的授权；此前已发出的不受影响。";
    AudienceOutsideGrant = "AUDIENCE_OUTSIDE_GRANT", PermissionDenied, "Some of the audience lie outside the grant's scope.",
        "受众中有[ {outside} ]人不在授权范围之内。请缩小受众，或申请更大的授权。";
    ChannelNotGranted = "CHANNEL_NOT_GRANTED", PermissionDenied, "The grant does not cover the channel.",
        "授权不包含渠道[ {channel}]。请去掉它，或申请包含它的授权。";
    ClassNotGranted = "CLASS_NOT_GRANTED", PermissionDenied, "The grant does not cover the class.",
        "授权不包含这个消息等级[ {class}]。请换一个等级，或申请包含它的授权。";
    DepartmentNotGranted = "DEPARTMENT_NOT_GRANTED", PermissionDenied, "The caller may not speak for the department.",
        "调用方不能代表部门[“{department}”]发言。请不填 department_id，或申请包含该部门的授权。";
    TagNotGranted = "TAG_NOT_GRANTED", PermissionDenied, "No grant lets the caller make or edit the tag.",
        "没有授权允许建立或编辑标签[“{tag}”]。请申请在 edit_tags 中包含它的授权。";
    SenderNotGranted = "SENDER_NOT_GRANTED", PermissionDenied, "The person acted for holds no grant for this, or the application may not act for persons.",
        "所代表的人没有相应的授权，或应用不能代表个人[（{sender_reason}）]。请不填 sender_user_id，或由本人申请授权。";
    OwnMessage = "OWN_MESSAGE", PermissionDenied, "Nobody reviews a message of their own, or one that was sent in their name.",
        "不能审核自己的消息，也不能审核以自己名义发送的消息。请由另一位审核人决定。";
    NetworkNotAllowed = "NETWORK_NOT_ALLOWED", PermissionDenied, "The key may not be used from this network.",
        "这个密钥不能在当前网络中使用。请从允许的网络调用，或向管理员申请扩大范围。";
    CertificateNotAllowed = "CERTIFICATE_NOT_ALLOWED", PermissionDenied, "The key is bound to a client certificate that the connection does not show.",
        "这个密钥绑定了客户端证书，当前连接没有出示它。请用该证书建立 TLS 连接，或向管理员申请另一个密钥。";
    TestKey = "TEST_KEY", PermissionDenied, "A test key may not do this.",
        "测试密钥不能这样做。请使用正式密钥。";
    FieldRequired = "FIELD_REQUIRED", InvalidArgument, "A required field is missing.",
        "缺少必填字段[ {field}]。请补上。";
    FieldInvalid = "FIELD_INVALID", InvalidArgument, "A field has a value that it cannot have.",
        "字段[ {field} ]的值不正确，请改正[（{message}）]。";
    FieldTooLong = "FIELD_TOO_LONG", InvalidArgument, "A field is longer than its limit, or than a channel's limit.",
        "字段[ {field} ]太长[：{channel}][，上限 {limit}][，实际 {actual}][（单位 {unit}）]。请缩短。";
    ControlCharacter = "CONTROL_CHARACTER", InvalidArgument, "A one-line field holds a line break, a control character or a mark that turns the reading direction.",
        "单行字段[ {field} ]含有换行、控制字符或改变书写方向的符号[，位于第 {position} 个字符]。请删除。";
    AudienceSyntax = "AUDIENCE_SYNTAX", InvalidArgument, "The audience expression cannot be read.",
        "受众表达式[在第 {position} 个字符处]无法读懂[，此处应为 {expected}][。是否想写：{suggestion}]。请改正。";
    AudienceAmbiguous = "AUDIENCE_AMBIGUOUS", InvalidArgument, "AND and OR are mixed without parentheses.",
        "AND 与 OR 混用而没有括号。请加括号说明意思[：{reading_a}][，还是 {reading_b}]。";
    AudienceTooComplex = "AUDIENCE_TOO_COMPLEX", InvalidArgument, "The expression is longer, wider or deeper than the limits.",
        "受众表达式太长、太宽或太深[，上限 {limit}]。请简化，或把一部分定义为规则标签。";
    UserListTooLong = "USER_LIST_TOO_LONG", InvalidArgument, "The user list holds more than 1,000 users.",
        "名单超过[ {limit} 人的]上限[，实际 {actual} 人]。请建立标签，再发给标签。";
    PastSendAt = "PAST_SEND_AT", InvalidArgument, "The send time lies more than 60 seconds in the past.",
        "发送时间早于现在 60 秒以上。请改为将来的时间；立即发送则不填。";
    ExpireBeforeSend = "EXPIRE_BEFORE_SEND", InvalidArgument, "The expiry is not after the send time.",
        "过期时间不晚于发送时间。请推迟过期时间，或不填而用等级的默认值。";
    ContentMissing = "CONTENT_MISSING", InvalidArgument, "A channel that was asked for has nothing to say.",
        "有渠道没有可发的内容[：{field}]。请补上，或去掉该渠道。";
    PageTokenInvalid = "PAGE_TOKEN_INVALID", InvalidArgument, "The page token is not one that this list gave.",
        "翻页标记不是这个列表给出的。请原样使用上一页的标记和相同的筛选条件，或从头开始。";
    EmptyAudience = "EMPTY_AUDIENCE", FailedPrecondition, "The audience names nobody.",
        "受众中一个人也没有。请先预览，并检查表达式。";
    UnknownTag = "UNKNOWN_TAG", FailedPrecondition, "There is no such tag that the caller may use.",
        "没有可用的标签[“{tag}”][，最接近的是“{nearest}”]。请改正。";
    UnknownDepartment = "UNKNOWN_DEPARTMENT", FailedPrecondition, "There is no such department.",
        "没有部门[“{department}”][，最接近的是“{nearest}”]。请改正部门编号。";
    UnknownTopic = "UNKNOWN_TOPIC", FailedPrecondition, "No department has declared the topic.",
        "没有声明过话题[“{topic}”][，最接近的是“{nearest}”]。请改正，或请管理员先声明它。";
    UnknownUser = "UNKNOWN_USER", FailedPrecondition, "There is no such user.",
        "有[ {count} 个]用户不存在[：{user_ids}]。请改正编号，或要求跳过不存在的人。";
    RecipientsUnexpected = "RECIPIENTS_UNEXPECTED", FailedPrecondition, "The number of recipients is not the expected one.",
        "接收人数与预期不符[：预期 {expected} 人][，实际 {actual} 人]。没有发送；请检查受众或预期人数。";
    ClassNeedsUserList = "CLASS_NEEDS_USER_LIST", FailedPrecondition, "A transactional message takes a list of users, never an expression.",
        "业务消息（TRANSACTIONAL）只能发给名单，不能用表达式。请列出用户，或改用 NOTICE。";
    ChannelNotConfigured = "CHANNEL_NOT_CONFIGURED", FailedPrecondition, "The installation has no provider for the channel.",
        "本系统没有为渠道[ {channel} ]配置服务商。请去掉该渠道，或联系运维人员。";
    ReviewChanged = "REVIEW_CHANGED", FailedPrecondition, "What would be decided is not what was shown, or was shown more than 30 minutes ago.",
        "要决定的内容与您看到的不一致，或查看已超过有效时间。请重新查看，再作决定。";
    ReviewLapsed = "REVIEW_LAPSED", FailedPrecondition, "Nobody has to decide about the message any more.",
        "这条消息的审核已经结束，无需再作决定。";
    MessageFinished = "MESSAGE_FINISHED", FailedPrecondition, "The message has ended already.",
        "消息已经结束，无需再做什么。";
    AlreadyAllClear = "ALREADY_ALL_CLEAR", FailedPrecondition, "The alarm has its all-clear already.",
        "这条警报已经解除[（{message_id}）]。如需改动，请更正那条解除消息。";
    LastAdministrator = "LAST_ADMINISTRATOR", FailedPrecondition, "The change would leave nobody to administer.",
        "这样改动以后将没有管理员。请先为另一位管理员建立密钥。";
    UserIsOwn = "USER_IS_OWN", FailedPrecondition, "The user is one that the service has of its own.",
        "这是系统自带的用户，不能删除。请改正用户编号。";
    DepartmentCycle = "DEPARTMENT_CYCLE", FailedPrecondition, "A department would lie under itself.",
        "部门[“{department}”]将位于它自己之下。请另选上级部门。";
    DepartmentInUse = "DEPARTMENT_IN_USE", FailedPrecondition, "Something still belongs to the department or names it.",
        "部门[“{department}”]仍在使用[：下级部门 {departments} 个][；人员 {people} 个][；应用 {applications} 个][；授权 {grants} 项][；标签 {tags} 个][；角色 {roles} 个][；话题 {topics} 个]。请先移走或结束它们。";
    SnapshotShrinks = "SNAPSHOT_SHRINKS", FailedPrecondition, "More people would leave by the snapshot than may.",
        "按这份名单将有[ {left} 人离开][（共 {people} 人）]，超过允许的比例[ {limit}]。没有写入任何内容；请检查名单，或放宽比例。";
    TagCycle = "TAG_CYCLE", FailedPrecondition, "A rule tag would use itself.",
        "规则标签[“{tag}”]会用到它自己。请从规则中去掉。";
    IdempotencyMismatch = "IDEMPOTENCY_MISMATCH", AlreadyExists, "The idempotency key was used with another request.",
        "这个幂等键已用于另一个请求[（{message_id}）]。新的消息请用新的键。";
    IdTaken = "ID_TAKEN", AlreadyExists, "Something else has this id already.",
        "这个编号已被占用。请换一个。";
    NotFound = "NOT_FOUND", NotFound, "There is none, or none that the caller may see.",
        "没有这一项，或者您无权查看。请检查编号[（{message}）]。";
    EtagMismatch = "ETAG_MISMATCH", Aborted, "Somebody changed it in the meantime.",
        "其间有人改动过。请重新读取再修改。";
    DirectoryMoving = "DIRECTORY_MOVING", Aborted, "The directory changed faster than the audience could be frozen.",
        "人员目录变动太快，受众未能固定。请用同一个幂等键重试。";
    RateLimited = "RATE_LIMITED", ResourceExhausted, "Too many calls.",
        "调用过于频繁。请按回答中的时间等待后再试。";
    QuotaExhausted = "QUOTA_EXHAUSTED", ResourceExhausted, "The grant's quota is used up.",
        "授权的配额[（{quota}）]已用完[，上限 {limit}][，已用 {used}][，{resets_at} 重新计算]。请减少人数，或稍后再发。";
    RequestTooLarge = "REQUEST_TOO_LARGE", ResourceExhausted, "The request is larger than 1 MiB.",
        "请求超过 1 MiB。请分成几次发送。";
    StreamsExhausted = "STREAMS_EXHAUSTED", ResourceExhausted, "Too many open streams.",
        "打开的流太多[，上限 {limit}]。请关闭一些，或稍后重新连接。";
    StoreFull = "STORE_FULL", ResourceExhausted, "The disk is full.",
        "磁盘已满。请联系运维人员腾出空间，再用同一个幂等键重试。";
    CursorTooOld = "CURSOR_TOO_OLD", OutOfRange, "The cursor points before what is kept.",
        "游标早于所保留的内容。请重新列出，再从新的游标继续。";
    Starting = "STARTING", Unavailable, "The node is starting.",
        "节点正在启动。请稍候，再用同一个幂等键重试。";
    Draining = "DRAINING", Unavailable, "The node is going away.",
        "节点即将停止。请重新连接，没有得到回答的请用同一个幂等键重试。";
    NotServedHere = "NOT_SERVED_HERE", Unavailable, "The node serves health and operations only.",
        "这个节点只提供健康检查和运维接口。请调用另一个节点。";
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable, "The store does not answer.",
        "存储没有应答。请稍候，再用同一个幂等键重试。";
    NotYetAvailable = "NOT_YET_AVAILABLE", Unimplemented, "This part of the interface is not built yet.",
        "接口的这一部分尚未实现[（{message}）]。";
    Internal = "INTERNAL", Internal, "A fault of the service.",
        "服务内部故障。请用同一个幂等键重试；若仍不行，请把请求编号告诉运维人员。";
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable reason.
    pub reason: Reason,
    /// The path of the field at fault, as in the request message.
    pub field: Option<String>,
    /// What is wrong and what to do, in English.
    pub message: String,
    /// Facts for machines, such as `tag`, `position` or `limit`.
    pub metadata: Vec<(&'static str, String)>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a reason and a sentence.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        Refusal { reason, field: None, message: message.into(), metadata: Vec::new(), retry_after: None }
    }

    /// The same, naming the field at fault.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>) -> Refusal {
        self.field = Some(path.into());
        self
    }

    /// The same with one more fact.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Refusal {
        self.metadata.push((key, value.to_string()));
        self
    }

    /// The same with the known name that is nearest to what was said, if one is near.
    #[must_use]
    pub fn nearest(self, known: Option<&str>) -> Refusal {
        match known {
            Some(known) => self.with("nearest", known),
            None => self,
        }
    }

    /// The same with a time to wait.
    #[must_use]
    pub fn after(mut self, span: Duration) -> Refusal {
        self.retry_after = Some(span);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.text(), self.message)
    }
}

impl std::error::Error for Refusal {}
