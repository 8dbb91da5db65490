//! The message and hints for an engine that cannot be reached. They depend on the kind of address, on the setting that
//! chose it, and on the error.

use std::path::Path;

use super::ConnectError;
use super::choose::{By, Choice, Named, Tls};
use super::host::Host;
use crate::engine::fault::{Fault, Loss};

/// The error for the engine at `choice`, which failed with `fault`.
#[must_use]
pub fn no_answer(choice: &Choice, fault: &Fault) -> ConnectError {
    let Choice { host, by, tls } = choice;
    let loss = match fault {
        Fault::Lost(loss, _) => *loss,
        _ => Loss::Other,
    };
    let message = match unchosen(host, by) {
        Some(places) if loss == Loss::NotFound => format!("no engine is there: none of {places} is"),
        _ => format!("no engine answers at {host}{by}: {fault}"),
    };
    let mut hints: Vec<String> = match host {
        Host::Unix(_) => of_socket(host, by, loss),
        Host::Ssh { user, name, port, .. } => Some(of_ssh(user.as_deref(), name, *port, loss)),
        Host::Tcp { .. } => match tls {
            None => of_tcp(by, loss),
            Some(tls) => of_tls(tls, loss),
        },
    }
    .into_iter()
    .collect();
    let unexplained = hints.is_empty();
    if unexplained && matches!(loss, Loss::Refused | Loss::NotFound | Loss::TimedOut) {
        hints.push("is an engine listening there?".to_owned());
    }
    hints.extend(way_back(by, unexplained));
    ConnectError { message, hints }
}

/// The sockets that were tried, if no setting chose the engine and none of them exists.
fn unchosen(host: &Host, by: &By) -> Option<String> {
    match (host, by) {
        (Host::Unix(path), By::Nobody(places)) if places.first() == Some(path) => {
            let shown = |path: &Path| path.display().to_string();
            let places: Vec<String> = places.iter().map(|p| shown(p)).collect();
            Some(places.join(", "))
        }
        _ => None,
    }
}

fn of_socket(host: &Host, by: &By, loss: Loss) -> Option<String> {
    let hint = match (loss, by) {
        (Loss::Denied, _) => {
            "you may not talk to it: join the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or \
             use `sudo`"
        }
        (Loss::NotFound, _) if unchosen(host, by).is_some() => {
            "start it (`systemctl start docker`), or set DOCKER_HOST to where one listens"
        }
        (_, By::Nobody(_)) => "is it running? `systemctl start docker` starts it",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_ssh(user: Option<&str>, name: &str, port: Option<u16>, loss: Loss) -> String {
    // Only starting `ssh` itself fails in this way. What `ssh` reports is passed on in its own words.
    if let Loss::NotFound | Loss::Denied = loss {
        return "OpenSSH's client is what takes one there".to_owned();
    }
    let user = user.map_or_else(String::new, |u| format!("{u}@"));
    let port = port.map_or_else(String::new, |p| format!("-p {p} "));
    format!("`ssh {port}{user}{name} docker version` must work without being asked anything")
}

fn of_tcp(by: &By, loss: Loss) -> Option<String> {
    match (loss, by) {
        (Loss::TlsWanted | Loss::Reset, By::Context(name, _)) => {
            Some(format!("it may speak TLS: context `{name}` has no certificates"))
        }
        (Loss::TlsWanted | Loss::Reset, _) => Some(
            "it may speak TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to where ca.pem, cert.pem and key.pem are"
                .to_owned(),
        ),
        _ => None,
    }
}

fn of_tls(tls: &Tls, loss: Loss) -> Option<String> {
    let directory = tls.directory.display();
    Some(match (loss, &tls.ca) {
        (Loss::TlsUnknown, _) => "it does not seem to speak TLS".to_owned(),
        (Loss::CertificateWanted, _) => {
            format!("it wants to know who you are: {directory} is to hold cert.pem and key.pem that it trusts")
        }
        (Loss::CertificateOfAnother, _) => "reach it by a name that its certificate is for".to_owned(),
        (Loss::CertificateInvalid, Some(ca)) => format!("{} is who may vouch for it", ca.display()),
        (Loss::CertificateInvalid, None) => {
            format!("{directory} holds no ca.pem, so whom this machine trusts may vouch for it")
        }
        _ => return None,
    })
}

/// A hint on how to return to the usual engine. An unset of `DOCKER_HOST` is suggested only if there is no better hint.
fn way_back(by: &By, unexplained: bool) -> Option<String> {
    let hint = match by {
        By::Host if unexplained => "`unset DOCKER_HOST` goes back to this machine's engine, or the current context's",
        By::Nobody(_) | By::Host | By::Option | By::Context(_, Named::Option) => return None,
        By::Context(_, Named::Variable) => "`unset DOCKER_CONTEXT` goes back to the current context",
        By::Context(_, Named::Current(_)) => "`docker context use default` goes back to this machine's engine",
    };
    Some(hint.to_owned())
}
