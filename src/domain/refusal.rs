//! Why a call was refused: one stable reason, the field, a sentence that says what to do.
//!
//! Every use-case returns `Result<_, Refusal>`; `api::error` maps it to the wire in one place. `docs/errors.md`
//! lists every reason and is checked against [`Reason::ALL`]. A refusal never holds a secret or an address.

use std::fmt;
use std::time::Duration;

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
    ($($name:ident = $text:literal, $kind:ident, $doc:literal;)*) => {
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

            /// When it happens, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$name => $doc,)* }
            }
        }
    };
}

reasons! {
    TokenMissing = "TOKEN_MISSING", Unauthenticated, "The call carries no bearer token.";
    TokenInvalid = "TOKEN_INVALID", Unauthenticated, "The token is unknown, revoked, expired or damaged.";
    PersonRequired = "PERSON_REQUIRED", PermissionDenied, "Only a person's token may do this.";
    ScopeMissing = "SCOPE_MISSING", PermissionDenied, "The key lacks the scope that this call needs.";
    GrantMissing = "GRANT_MISSING", PermissionDenied, "The caller holds no valid grant.";
    GrantRevoked = "GRANT_REVOKED", PermissionDenied, "The grant was taken back or ran out while the publish was under way.";
    AudienceOutsideGrant = "AUDIENCE_OUTSIDE_GRANT", PermissionDenied, "Some of the audience lie outside the grant's scope.";
    ChannelNotGranted = "CHANNEL_NOT_GRANTED", PermissionDenied, "The grant does not cover the channel.";
    ClassNotGranted = "CLASS_NOT_GRANTED", PermissionDenied, "The grant does not cover the class.";
    DepartmentNotGranted = "DEPARTMENT_NOT_GRANTED", PermissionDenied, "The caller may not speak for the department.";
    SenderNotGranted = "SENDER_NOT_GRANTED", PermissionDenied, "The person acted for holds no grant for this, or the application may not act for persons.";
    TestKey = "TEST_KEY", PermissionDenied, "A test key may not do this.";
    FieldRequired = "FIELD_REQUIRED", InvalidArgument, "A required field is missing.";
    FieldInvalid = "FIELD_INVALID", InvalidArgument, "A field has a value that it cannot have.";
    FieldTooLong = "FIELD_TOO_LONG", InvalidArgument, "A field is longer than its limit, or than a channel's limit.";
    ControlCharacter = "CONTROL_CHARACTER", InvalidArgument, "A one-line field holds a line break, a control character or a mark that turns the reading direction.";
    AudienceSyntax = "AUDIENCE_SYNTAX", InvalidArgument, "The audience expression cannot be read.";
    AudienceAmbiguous = "AUDIENCE_AMBIGUOUS", InvalidArgument, "AND and OR are mixed without parentheses.";
    AudienceTooComplex = "AUDIENCE_TOO_COMPLEX", InvalidArgument, "The expression is longer, wider or deeper than the limits.";
    UserListTooLong = "USER_LIST_TOO_LONG", InvalidArgument, "The user list holds more than 1,000 users.";
    PastSendAt = "PAST_SEND_AT", InvalidArgument, "The send time lies more than 60 seconds in the past.";
    ExpireBeforeSend = "EXPIRE_BEFORE_SEND", InvalidArgument, "The expiry is not after the send time.";
    ContentMissing = "CONTENT_MISSING", InvalidArgument, "A channel that was asked for has nothing to say.";
    PageTokenInvalid = "PAGE_TOKEN_INVALID", InvalidArgument, "The page token is not one that this list gave.";
    EmptyAudience = "EMPTY_AUDIENCE", FailedPrecondition, "The audience names nobody.";
    UnknownTag = "UNKNOWN_TAG", FailedPrecondition, "There is no such tag that the caller may use.";
    UnknownDepartment = "UNKNOWN_DEPARTMENT", FailedPrecondition, "There is no such department.";
    UnknownUser = "UNKNOWN_USER", FailedPrecondition, "There is no such user.";
    RecipientsUnexpected = "RECIPIENTS_UNEXPECTED", FailedPrecondition, "The number of recipients is not the expected one.";
    ClassNeedsUserList = "CLASS_NEEDS_USER_LIST", FailedPrecondition, "A transactional message takes a list of users, never an expression.";
    ChannelNotConfigured = "CHANNEL_NOT_CONFIGURED", FailedPrecondition, "The installation has no provider for the channel.";
    MessageFinished = "MESSAGE_FINISHED", FailedPrecondition, "The message has ended already.";
    LastAdministrator = "LAST_ADMINISTRATOR", FailedPrecondition, "The change would leave nobody to administer.";
    DepartmentCycle = "DEPARTMENT_CYCLE", FailedPrecondition, "A department would lie under itself.";
    TagCycle = "TAG_CYCLE", FailedPrecondition, "A rule tag would use itself.";
    IdempotencyMismatch = "IDEMPOTENCY_MISMATCH", AlreadyExists, "The idempotency key was used with another request.";
    IdTaken = "ID_TAKEN", AlreadyExists, "Something else has this id already.";
    NotFound = "NOT_FOUND", NotFound, "There is none, or none that the caller may see.";
    EtagMismatch = "ETAG_MISMATCH", Aborted, "Somebody changed it in the meantime.";
    DirectoryMoving = "DIRECTORY_MOVING", Aborted, "The directory changed faster than the audience could be frozen.";
    RateLimited = "RATE_LIMITED", ResourceExhausted, "Too many calls.";
    QuotaExhausted = "QUOTA_EXHAUSTED", ResourceExhausted, "The grant's quota is used up.";
    RequestTooLarge = "REQUEST_TOO_LARGE", ResourceExhausted, "The request is larger than 1 MiB.";
    StreamsExhausted = "STREAMS_EXHAUSTED", ResourceExhausted, "Too many open streams.";
    StoreFull = "STORE_FULL", ResourceExhausted, "The disk is full.";
    CursorTooOld = "CURSOR_TOO_OLD", OutOfRange, "The cursor points before what is kept.";
    Starting = "STARTING", Unavailable, "The node is starting.";
    Draining = "DRAINING", Unavailable, "The node is going away.";
    NotServedHere = "NOT_SERVED_HERE", Unavailable, "The node serves health and operations only.";
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable, "The store does not answer.";
    NotYetAvailable = "NOT_YET_AVAILABLE", Unimplemented, "This part of the interface is not built yet.";
    Internal = "INTERNAL", Internal, "A fault of the service.";
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
