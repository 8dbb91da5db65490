//! Runs probes inside containers: by `exec` if topogen's executable is in them, otherwise in a short-lived container in
//! their network namespace. One probe per container asks all questions.

use std::collections::HashMap;

use super::connect::Engine;
use super::fault::Fault;
use super::helper::{self, Errand, Helpers};
use crate::probe::question::Answers;
use crate::probe::question::Questions;

/// The most bytes of an argument. A process takes 32 pages (execve(2)); questions beyond half of that are split.
const LONGEST: usize = 64 << 10;

/// A container with its questions.
#[derive(Debug)]
pub struct Ask {
    /// The engine's ID of the container.
    pub container: String,
    /// Whether topogen's executable is in the container.
    pub has_probe: bool,
    /// Labels of the helper container, by which it is found if a kill leaves it behind.
    pub labels: HashMap<String, String>,
    /// The questions of the probe.
    pub questions: Questions,
}

/// Asks the containers of one engine.
#[derive(Debug)]
pub struct Prober<'e> {
    engine: &'e Engine,
    /// Those that ask where topogen's executable is not.
    helpers: Helpers<'e>,
}

impl<'e> Prober<'e> {
    /// An asker that has not asked anything yet.
    #[must_use]
    pub fn new(engine: &'e Engine) -> Self {
        Self {
            engine,
            helpers: Helpers::new(engine),
        }
    }

    /// The answers of one container.
    ///
    /// # Errors
    /// Why there are none, as a message.
    pub async fn ask(&self, ask: &Ask) -> Result<Answers, String> {
        let arguments = arguments(&ask.questions);
        if ask.has_probe {
            match helper::exec(self.engine, &ask.container, &arguments).await {
                Ok(output) if let Some(answers) = read(&output, &ask.questions) => return Ok(answers),
                // The container was removed, stopped or paused, so that a helper could not join its network namespace
                // either.
                Err(
                    fault
                    @ (Fault::NoSuchContainer(_) | Fault::NotFound(_) | Fault::NotRunning(_) | Fault::Conflict(_)),
                ) => return Err(fault.to_string()),
                // The fake is of another build, whose probe has another protocol.
                Ok(_) | Err(_) => {}
            }
        }
        let errand = Errand {
            container: Some(ask.container.clone()),
            purpose: "verify",
            labels: ask.labels.clone(),
            arguments,
            is_admin: false,
            stays: false,
        };
        let output = self.helpers.run(&errand).await?.output;
        read(&output, &ask.questions).ok_or_else(|| match output.trim() {
            "" => "the probe said nothing".to_owned(),
            said => format!("the probe said: {}", said.lines().next().unwrap_or_default()),
        })
    }
}

/// The arguments of the probe: `probe --ask JSON`.
fn arguments(questions: &Questions) -> Vec<String> {
    let mut command = vec!["probe".to_owned()];
    for part in parts(questions.clone()) {
        command.push("--ask".to_owned());
        command.push(serde_json::to_string(&part).unwrap_or_default());
    }
    command
}

/// The questions in parts that each fit an argument.
fn parts(questions: Questions) -> Vec<Questions> {
    if questions.len() < 2 || serde_json::to_string(&questions).is_ok_and(|text| text.len() <= LONGEST) {
        return vec![questions];
    }
    let (first, second) = questions.halves();
    parts(first).into_iter().chain(parts(second)).collect()
}

/// The answers in the output of a probe; `None` unless they answer all questions.
fn read(output: &str, questions: &Questions) -> Option<Answers> {
    let answers: Answers = serde_json::from_str(output).ok()?;
    (answers.len() >= questions.len()).then_some(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_too_many_for_an_argument_are_several() {
        let questions = Questions {
            names: (0..9000).map(|n| format!("a-name-of-some-length-{n}")).collect(),
            unreachable: (0..9000).map(|n| format!("10.0.0.1:{n}")).collect(),
            ..Questions::default()
        };
        let command = arguments(&questions);
        assert!(command.iter().all(|argument| argument.len() <= LONGEST));
        let asked = command
            .iter()
            .filter_map(|argument| serde_json::from_str::<Questions>(argument).ok());
        assert_eq!(asked.map(|q| q.len()).sum::<usize>(), questions.len());
    }
}
