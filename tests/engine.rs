//! A Docker Engine inside the test process, which keeps containers, networks, images and volumes as the real one does, and
//! which a test can tell to fail.
//!
//! ```no_run
//! #[tokio::test(start_paused = true)]
//! async fn a_lost_start_is_of_unknown_end() {
//!     let double = EngineDouble::v20().with_image("redis:7");
//!     double.on(Call::StartContainer).of("lab-a").lose();
//!     let engine = double.connect().await;
//!     // …apply a plan with `engine`, then ask what became of it:
//!     assert_eq!(double.state().container("lab-a").status(), "created");
//! }
//! ```
//!
//! What is refused, in which words and with which status, which events are sent and in which order, and what a list leaves
//! out that an inspection says: all of this was read off Engine 20.10.24 (API 1.41) and Engine 28.5.2 (API 1.51), and is
//! distinguished by [`Version::is_old`] where the two differ.
//!
//! [`EngineDouble::connect`] gives an [`Engine`] over memory. All of it runs in the test's own runtime, so with
//! `start_paused` no test waits for real: a grace period of ten seconds is over as soon as everybody waits for it.
//! [`EngineDouble::listen`] opens a socket for whole commands, which run by real time.

pub(crate) mod cluster;
pub(crate) mod events;
pub(crate) mod faults;
mod hand;
mod json;
mod life;
mod model;
mod networks;
mod routes;
mod serve;
mod state;
mod volumes;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{oneshot, watch};
use topogen::engine::connect::host::Host;
use topogen::engine::connect::{Engine, Patience};

pub(crate) use faults::{Call, Rule};
pub(crate) use model::{Program, Version};
pub(crate) use state::State;

/// The engine. Clones are the same engine.
#[derive(Clone)]
pub(crate) struct EngineDouble {
    state: Arc<Mutex<State>>,
    /// How many events there are, for those who follow them.
    events: Arc<watch::Sender<usize>>,
}

impl EngineDouble {
    /// An engine of that version, with nothing on it but what every engine has.
    pub(crate) fn of(version: Version) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(version))),
            events: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Behaves as Engine 20.10 (API 1.41): names of networks need not be unique, containers are created on one network.
    pub(crate) fn v20() -> Self {
        Self::of(Version::V20)
    }

    /// Behaves as Engine 28 (API 1.51).
    pub(crate) fn v28() -> Self {
        Self::of(Version::V28)
    }

    /// One of each version: for what both must stand.
    pub(crate) fn both() -> [Self; 2] {
        [Self::v20(), Self::v28()]
    }

    /// With an image of that name on it.
    pub(crate) fn with_image(self, name: &str) -> Self {
        self.state().add_image(name);
        self
    }

    /// With a registry behind it from which that image can be pulled.
    pub(crate) fn with_registry(self, name: &str) -> Self {
        self.state().registry.insert(name.to_owned());
        self
    }

    /// What is on the engine: to look at, and to change by hand as somebody else would through the API. Let go of it before
    /// you await anything: the engine answers nobody in the meantime.
    pub(crate) fn state(&self) -> Hand<'_> {
        Hand {
            state: self.lock(),
            events: &self.events,
        }
    }

    /// What happens at the next calls of that kind; see [`Rule`].
    pub(crate) fn on(&self, call: Call) -> Rule<'_> {
        Rule::new(self, call)
    }

    /// What was asked of the engine that changes something, in order: `CreateContainer lab-a`.
    pub(crate) fn changes(&self) -> Vec<String> {
        let state = self.lock();
        let changing = state.asked.iter().filter(|(call, _)| call.changes());
        changing.map(|(call, subject)| format!("{call:?} {subject}")).collect()
    }

    /// How often that was asked.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.lock().asked.iter().filter(|(c, _)| *c == call).count()
    }

    /// A client of it, over memory. It counts as an engine on this machine whose host is out of sight.
    pub(crate) async fn connect(&self) -> Engine {
        self.connect_with(Patience::default()).await
    }

    /// The same, with that patience.
    pub(crate) async fn connect_with(&self, patience: Patience) -> Engine {
        let double = self.clone();
        let dial = move || {
            let double = double.clone();
            async move {
                if double.lock().is_down {
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                }
                let (client, server) = tokio::io::duplex(64 << 10);
                tokio::spawn(serve::connection(double, server));
                Ok(client)
            }
        };
        let host = Host::Unix(PathBuf::from("/engine-double.sock"));
        Engine::over(host, dial, patience).await.expect("the double answers")
    }

    /// Listens at a socket in a directory of its own, until what this returns is dropped.
    pub(crate) fn listen(&self) -> Socket {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let (stop, stopped) = oneshot::channel::<()>();
        let double = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).expect("a socket");
                let accept = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        if !double.lock().is_down {
                            tokio::spawn(serve::connection(double.clone(), stream));
                        }
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Socket {
            directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's state, held.
pub(crate) struct Hand<'a> {
    state: MutexGuard<'a, State>,
    events: &'a watch::Sender<usize>,
}

impl std::ops::Deref for Hand<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Hand<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.events.send_replace(self.state.events.len());
    }
}

/// A socket at which an [`EngineDouble`] listens.
pub(crate) struct Socket {
    directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Socket {
    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// What `DOCKER_HOST` is to be.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path().display())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
