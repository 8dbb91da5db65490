//! The names of a cluster for the programs of this machine: `--dns` and `--hosts`.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::cli::Serve;
use crate::error::Error;
use crate::name::ClusterName;
use crate::serve::dns::zone::Domain;
use crate::serve::dns::{Server, setup};
use crate::serve::hosts::HostsFile;
use crate::serve::view::View;
use crate::terminal::Terminal;

/// Who tells the names.
pub(super) struct Names {
    terminal: Terminal,
    domain: Domain,
    server: Option<Server>,
    file: Option<HostsFile>,
}

impl Names {
    /// Listens, and takes its place in the file; `None` where neither is asked for.
    ///
    /// # Errors
    /// The cluster's name is no domain and none is given, the address is taken, or the file cannot be written.
    pub(super) async fn open(terminal: &Terminal, args: &Serve, cluster: &ClusterName) -> Result<Option<Self>, Error> {
        if args.dns.is_none() && args.hosts.is_none() {
            return Ok(None);
        }
        let domain = match &args.domain {
            Some(domain) => domain.clone(),
            None => cluster.as_str().parse().map_err(|_| Error::Usage {
                message: format!("the name of cluster `{cluster}` is no domain"),
                hint: "say one: `--domain lab`".to_owned(),
            })?,
        };
        let server = match args.dns {
            None => None,
            Some(address) => {
                let server = Server::bind(address).await;
                Some(server.map_err(|error| super::taken(&error, address, "--dns"))?)
            }
        };
        let file = match &args.hosts {
            None => None,
            Some(path) => {
                let file = HostsFile::open(path.clone(), cluster.as_str());
                Some(file.map_err(|error| unwritable(path, &error))?)
            }
        };
        Ok(Some(Self {
            terminal: terminal.clone(),
            domain,
            server,
            file,
        }))
    }

    /// Tells the names as `views` show the cluster, for ever.
    pub(super) async fn follow(&mut self, views: watch::Receiver<Arc<View>>) {
        let server = self.server.take();
        if let Some(server) = &server {
            let address = server.address();
            self.terminal.line(&format!(
                "names in `{}` are answered at {address}, over UDP and TCP",
                self.domain
            ));
            if !address.ip().is_loopback() {
                let warning = "warning: whoever reaches that address reads the names and addresses of the cluster";
                self.terminal.line(warning);
            }
        }
        let (terminal, domain) = (&self.terminal, &self.domain);
        let told = server.as_ref().map(Server::address);
        let tell_setup = async {
            let mut known = views.clone();
            // The interface is the shared network's.
            let view = known
                .wait_for(|view| view.stale.is_none())
                .await
                .map(|view| view.clone());
            if let (Ok(view), Some(address)) = (view, told) {
                let is_there = |name: &String| Path::new("/sys/class/net").join(name).exists();
                let bridge = view.bridge().filter(is_there);
                for line in setup::lines(domain, address, bridge.as_deref()) {
                    terminal.line(&format!("  {line}"));
                }
            }
        };
        let answers = async {
            match server {
                Some(server) => server.serve(views.clone(), domain.clone()).await,
                None => std::future::pending().await,
            }
        };
        let writes = async {
            match &self.file {
                Some(file) => {
                    file.follow(views.clone(), domain, |error| {
                        terminal.line(&format!("warning: {error}"))
                    })
                    .await
                }
                None => std::future::pending().await,
            }
        };
        tokio::join!(tell_setup, answers, writes);
    }

    /// Takes the lines out of the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn end(self) -> Result<(), Error> {
        let Some(file) = self.file else { return Ok(()) };
        let path = file.path().to_owned();
        file.remove().map_err(|error| unwritable(&path, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "it needs more rights, or another file",
        std::io::ErrorKind::InvalidData => "put the lines in order, or take them away",
        std::io::ErrorKind::ResourceBusy => "a file that is mounted by itself cannot be replaced",
        _ => "",
    };
    Error::InTheWay {
        messages: vec![format!("cannot write {}: {error}", path.display())],
        hints: Some(hint.to_owned()).filter(|h| !h.is_empty()).into_iter().collect(),
    }
}
