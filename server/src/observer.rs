//! Who wants to see every call as it is answered: the dev runner prints a line for each.
//!
//! What is observed is the production handler itself; without an observer nothing of this is made.

use std::fmt;
use std::sync::Arc;

use insula_runtime::{AgentName, Bill, CallFailure, Diagnosis, HostCalls, Invocation};
use insula_tenancy::{InvocationId, TenantId, TenantScope, VersionId};

use crate::app::App;
use crate::problem::Problem;

/// One call, as it was answered.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Whose it was.
    pub tenant: TenantId,
    /// The agent that was called.
    pub agent: AgentName,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The stable word for a failure or a refusal, and its sentence.
    pub problem: Option<(&'static str, String)>,
    /// The agent's own word for an error that it returned.
    pub agent_code: Option<String>,
    /// The invocation and the version that answered, where one ran.
    pub ran: Option<(InvocationId, VersionId)>,
    /// What it used.
    pub bill: Bill,
    /// Its host calls by kind.
    pub host_calls: HostCalls,
    /// Where it was when it ended, if the guest did not end it.
    pub diagnosis: Option<Box<Diagnosis>>,
}

/// Called with every answer to a call, on the thread that made it: it must not wait.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Observed) + Send + Sync>);

impl Observer {
    /// An observer that does this.
    pub fn new(see: impl Fn(Observed) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Observer")
    }
}

/// Tells whoever wants to see it.
pub(crate) fn tell(app: &App, scope: &TenantScope, agent: &AgentName, ended: &Result<&Invocation, (&Problem, Bill)>) {
    let Some(observer) = &app.observer else { return };
    let mut observed = Observed {
        tenant: scope.tenant(),
        agent: agent.clone(),
        status: 200,
        problem: None,
        agent_code: None,
        ran: None,
        bill: Bill::default(),
        host_calls: HostCalls::default(),
        diagnosis: None,
    };
    let mut fail = |problem: &Problem| {
        let (status, code, detail) = problem.parts();
        (observed.status, observed.problem) = (status, Some((code, detail.to_owned())));
    };
    match ended {
        Ok(invocation) => {
            if let Err(failure) = &invocation.outcome {
                fail(&Problem::from(failure.clone()));
            }
            if let Err(CallFailure::Agent(error)) = &invocation.outcome {
                observed.agent_code = Some(error.code.clone());
            }
            observed.ran = Some((invocation.id, invocation.version));
            (observed.bill, observed.host_calls) = (invocation.bill, invocation.host_calls);
            observed.diagnosis.clone_from(&invocation.diagnosis);
        }
        Err((problem, bill)) => {
            fail(problem);
            observed.bill = *bill;
        }
    }
    (observer.0)(observed);
}
