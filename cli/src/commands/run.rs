//! `insula run`: one call in a throw-away host. No socket; everything else is as in production.

use std::collections::BTreeMap;
use std::path::PathBuf;

use insula_runtime::tenancy::{Deploy, Invoke, TenantScope};
use insula_runtime::{AgentName, Call, EngineSettings, Invocation, InvokeError, Runtime};

use crate::client::Problem;
use crate::failure::{Explain, Failure};
use crate::host;
use crate::input::{self, Input};
use crate::limits;
use crate::log_lines;
use crate::logging::{self, Format, Level};
use crate::outcome::{Outcome, Reply};
use crate::signals::Orders;
use crate::source::Agent;
use crate::terminal::Terminal;
use crate::trouble::Trouble;

/// The tenant that the agent runs for.
const TENANT: &str = "local";

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The answer's body goes to standard output as it is; the agent's log and the bill go to standard error."
)]
pub(crate) struct Args {
    /// The agent's folder, which is built first, or a component
    #[arg(value_name = "DIR|FILE.wasm")]
    agent: PathBuf,
    /// The body: text, a file, or standard input
    #[arg(long, value_name = "TEXT|@FILE|-")]
    input: Input,
    /// The body's content type; guessed from the body unless given
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The agent's configuration, on top of its manifest's
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    config: Vec<(String, String)>,
    /// Metadata for the agent
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    meta: Vec<(String, String)>,
    /// Another limit than the standard one
    #[arg(long, value_name = "NAME=VALUE", value_parser = limits::parse)]
    limit: Vec<(String, u64)>,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    logging::start(Format::Text, Level::Warn);
    let body = args.input.read()?;
    let agent = Agent::load(&args.agent, terminal)?;
    let name = match &agent.manifest {
        Some(manifest) => manifest.name.clone(),
        None => "agent".parse()?,
    };
    let data = tempfile::tempdir().explain("cannot make a temporary directory", "make room, or set TMPDIR")?;
    let control = host::control_threads()?;
    let outcome = control.block_on(async {
        let landlock = host::landlock::Off::Builds.check();
        let opened = host::open(data.path(), EngineSettings::standard(), host::settings(), landlock).await?;
        let runtime = opened.runtime;
        let key = opened.operator_key.map(|key| key.reveal()).unwrap_or_default();
        let mut orders = Orders::listen()?;
        let called = call(args, terminal, &runtime, &key, &name, &agent, body);
        let outcome = tokio::select! {
            outcome = called => outcome,
            () = orders.next() => Err(Failure::new("the call was interrupted").because("an order to stop came").into()),
        };
        runtime.shutdown().await;
        outcome
    })?;
    outcome.show(terminal)
}

async fn call(
    args: &Args,
    terminal: &Terminal,
    runtime: &Runtime,
    operator_key: &str,
    name: &AgentName,
    agent: &Agent,
    body: Vec<u8>,
) -> anyhow::Result<Outcome> {
    let operator = host::operator(runtime, operator_key).await?;
    let patch = limits::patch(&args.limit)?;
    let (_, key) = host::create_tenant(runtime, &operator, &TENANT.parse()?, &patch).await?;
    let scope = host::log_in(runtime, &key).await?;
    let progress = terminal.progress(&format!("compiling {name}"));
    let deployed = host::deploy(runtime, &scope, name, agent, &args.config.iter().cloned().collect()).await;
    drop(progress);
    deployed?;

    let content_type = args.content_type.clone();
    let call = Call {
        content_type: content_type.unwrap_or_else(|| input::guess_content_type(&body).to_owned()),
        body: body.into(),
        metadata: args.meta.clone(),
        idempotency_key: None,
    };
    let reader = runtime.logs(&scope.permit::<Deploy>()?).await?;
    let invoked = log_lines::follow(&reader, terminal, None, invoke(runtime, &scope, name, call)).await?;
    Ok(outcome(name, agent, invoked))
}

async fn invoke(
    runtime: &Runtime,
    scope: &TenantScope,
    name: &AgentName,
    call: Call,
) -> anyhow::Result<Result<Invocation, InvokeError>> {
    Ok(runtime.invoke(&scope.permit::<Invoke>()?, name, call).await)
}

fn outcome(name: &AgentName, ran: &Agent, invoked: Result<Invocation, InvokeError>) -> Outcome {
    let (agent, host_calls) = (name.to_string(), BTreeMap::new());
    let invocation = match invoked {
        Ok(invocation) => invocation,
        Err(error) => {
            let problem = Problem { detail: Some(error.to_string()), ..Problem::default() };
            return Outcome { agent, invocation: None, version: None, answer: Err(problem), bill: None, host_calls };
        }
    };
    let answer = match invocation.outcome {
        Ok(response) => {
            Ok(Reply { content_type: response.content_type, metadata: response.metadata, body: response.body })
        }
        Err(failure) => {
            let trouble = invocation.diagnosis.as_deref().map(Trouble::from).unwrap_or_default();
            let trouble = trouble.located(&ran.component, ran.folder());
            Err(Problem { trouble, ..Problem::of_call(&failure) })
        }
    };
    Outcome {
        agent,
        invocation: Some(invocation.id.to_string()),
        version: Some(invocation.version.to_string()),
        answer,
        bill: Some(invocation.bill),
        host_calls,
    }
}
