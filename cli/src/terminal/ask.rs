//! Questions, on a terminal only: where nobody can answer, none is asked.

use std::io::{self, IsTerminal};

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Input, Select};

use super::Terminal;
use crate::failure::Explain;

impl Terminal {
    /// Whether someone is there to answer: standard input and standard error are a terminal, and the result is not for
    /// a machine.
    pub(crate) fn can_ask(&self) -> bool {
        !self.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks for a line.
    pub(crate) fn ask_line(&self, question: &str, standard: &str) -> anyhow::Result<String> {
        let theme = ColorfulTheme::default();
        let input = Input::with_theme(&theme).with_prompt(question).default(standard.to_owned());
        input.interact_text().explain("the question was not answered", "give the answer on the command line")
    }

    /// Asks for one of several, and answers with its place in the list.
    pub(crate) fn choose(&self, question: &str, choices: &[&str]) -> anyhow::Result<usize> {
        let theme = ColorfulTheme::default();
        let select = Select::with_theme(&theme).with_prompt(question).items(choices).default(0);
        select.interact().explain("the question was not answered", "give the answer on the command line")
    }
}
