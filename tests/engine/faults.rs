//! The faults that the engine can be made to have.

use std::time::Duration;

use super::EngineDouble;
use super::model::{Container, Refusal};
use super::state::State;

/// A call of the Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// `GET` and `HEAD /_ping`
    Ping,
    /// `GET /version`
    Version,
    /// `GET /events`
    Events,
    /// `GET /containers/json`
    ListContainers,
    /// `GET /containers/{id}/json`
    InspectContainer,
    /// `POST /containers/create`
    CreateContainer,
    /// `PUT /containers/{id}/archive`
    Upload,
    /// `HEAD /containers/{id}/archive`
    StatFile,
    /// `POST /containers/{id}/start`
    StartContainer,
    /// `POST /containers/{id}/stop`
    StopContainer,
    /// `POST /containers/{id}/restart`
    RestartContainer,
    /// `POST /containers/{id}/kill`
    KillContainer,
    /// `POST /containers/{id}/pause`
    PauseContainer,
    /// `POST /containers/{id}/rename`
    RenameContainer,
    /// `POST /containers/{id}/unpause`
    UnpauseContainer,
    /// `DELETE /containers/{id}`
    RemoveContainer,
    /// `GET /containers/{id}/logs`
    Logs,
    /// `GET /containers/{id}/stats`
    Stats,
    /// `GET /networks`
    ListNetworks,
    /// `GET /networks/{id}`
    InspectNetwork,
    /// `POST /networks/create`
    CreateNetwork,
    /// `POST /networks/{id}/connect`
    Connect,
    /// `POST /networks/{id}/disconnect`
    Disconnect,
    /// `DELETE /networks/{id}`
    RemoveNetwork,
    /// `GET /volumes`
    ListVolumes,
    /// `POST /volumes/create`
    CreateVolume,
    /// `DELETE /volumes/{name}`
    RemoveVolume,
    /// `GET /images/json`
    ListImages,
    /// `GET /images/{name}/json`
    InspectImage,
    /// `POST /images/create`
    PullImage,
    /// `POST /images/load`
    LoadImage,
    /// `DELETE /images/{name}`
    RemoveImage,
}

impl Call {
    /// Whether it changes anything on the engine.
    pub(super) fn changes(self) -> bool {
        use Call::{
            Events, InspectContainer, InspectImage, InspectNetwork, ListContainers, ListImages, ListNetworks,
            ListVolumes, Logs, Ping, StatFile, Version,
        };
        !matches!(
            self,
            Ping | Version
                | Events
                | ListContainers
                | InspectContainer
                | StatFile
                | Logs
                | ListNetworks
                | InspectNetwork
                | ListVolumes
                | ListImages
                | InspectImage
        )
    }
}

/// What somebody else does in the middle of a call.
type Meanwhile = Box<dyn FnMut(&mut State) + Send>;

/// What is wrong with a call.
pub(super) enum Fault {
    Refuse(Refusal),
    Lose,
    LoseAnswer,
    GoDown,
    Hang,
    Take(Duration),
    Meanwhile(Meanwhile),
    Stale(Vec<Container>),
    CutAfter(usize),
}

/// A fault that is due.
pub(super) struct Armed {
    call: Call,
    subject: Option<String>,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Armed {
    /// What is wrong with a call about one of `subjects`; `None` where this is about another one, or is not due.
    pub(super) fn due(&mut self, call: Call, subjects: &[String]) -> Option<&mut Fault> {
        let is_it = self.call == call && self.subject.as_ref().is_none_or(|s| subjects.contains(s));
        if !is_it || self.times == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(&mut self.fault)
    }
}

/// Says what happens at a call: which one it is, how often, and at last, by the method that ends it, what happens. Where
/// several rules fit a call, all take effect in the order in which they were made.
#[must_use = "a rule does nothing until it is said what happens"]
pub(crate) struct Rule<'a> {
    double: &'a EngineDouble,
    call: Call,
    subject: Option<String>,
    skip: usize,
    times: usize,
}

impl<'a> Rule<'a> {
    pub(super) fn new(double: &'a EngineDouble, call: Call) -> Self {
        Self {
            double,
            call,
            subject: None,
            skip: 0,
            times: 1,
        }
    }

    /// Only calls about what has that name: the container, network, volume or image.
    pub(crate) fn of(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// Not at the first `count` calls.
    pub(crate) fn after(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// So often, and not only once.
    pub(crate) fn times(mut self, count: usize) -> Self {
        self.times = count;
        self
    }

    /// Each time.
    pub(crate) fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// The engine refuses, in its words.
    pub(crate) fn refuse(self, status: u16, message: &str) {
        self.arm(Fault::Refuse(Refusal::new(status, message)));
    }

    /// The connection breaks off, and nothing was done.
    pub(crate) fn lose(self) {
        self.arm(Fault::Lose);
    }

    /// The connection breaks off when it is done: the client cannot know.
    pub(crate) fn lose_answer(self) {
        self.arm(Fault::LoseAnswer);
    }

    /// The connection breaks off, and the engine takes no others from then on.
    pub(crate) fn go_down(self) {
        self.arm(Fault::GoDown);
    }

    /// There is never an answer, and nothing is done.
    pub(crate) fn hang(self) {
        self.arm(Fault::Hang);
    }

    /// The engine takes so long before it does anything.
    pub(crate) fn take(self, time: Duration) {
        self.arm(Fault::Take(time));
    }

    /// Somebody else does something between the asking and the doing.
    pub(crate) fn meanwhile(self, act: impl FnMut(&mut State) + Send + 'static) {
        self.arm(Fault::Meanwhile(Box::new(act)));
    }

    /// A list of containers that is as old as this rule.
    pub(crate) fn stale(self) {
        let containers = self.double.lock().containers.clone();
        self.arm(Fault::Stale(containers));
    }

    /// A stream breaks off after so many events.
    pub(crate) fn cut_after(self, events: usize) {
        self.arm(Fault::CutAfter(events));
    }

    fn arm(self, fault: Fault) {
        let armed = Armed {
            call: self.call,
            subject: self.subject,
            skip: self.skip,
            times: self.times,
            fault,
        };
        self.double.lock().faults.push(armed);
    }
}
