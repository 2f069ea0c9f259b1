//! Who is asking, and the proof of it.
//!
//! This crate owns typed ids, keys and their hashes, the [`Authenticator`], and the two proofs that it hands out:
//! [`TenantScope`] and [`OperatorScope`]. It knows nothing of WebAssembly, HTTP or any database: keys are looked up
//! through [`KeyLookup`], which the catalog implements.
//!
//! - **T1** a scope is made only in this crate, by checking a credential or recording an operator's act. It is not `Clone`, `Default` or
//!   `Deserialize`, and has no test constructor: tests log in like anyone else.
//! - **T2** a [`TenantId`] is a name and opens nothing. Functions that touch tenant data take a scope.
//! - **T7** ids are typed, globally unique and never used twice.

mod authenticator;
mod id;
mod key;
mod permission;
mod scope;

pub use authenticator::{
    ActDenied, Authenticator, Denied, FoundKey, KeyLookup, LookupFailed, OperatorAct, RecordedAct,
};
pub use id::{AgentId, Id, IdKind, InvalidId, InvocationId, KeyId, TenantId, VersionId, kind};
pub use key::{Credential, InvalidCredential, KeyHash, KeyOwner, KeyRecord, NewKey, OwnerState};
pub use permission::{Deploy, Export, Invoke, Manage, Permission, PermissionMarker, Permissions, UnknownPermission};
pub use scope::{Forbidden, OperatorScope, Permit, RealmId, TenantScope};
