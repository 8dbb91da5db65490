//! What a container may do (Compose specification, services, `security_opt`).

use bollard::models::HostConfig;

use super::{Translation, read};
use crate::compose::seccomp_profile;
use crate::value::Value;

impl Translation<'_> {
    /// `security_opt`, as the Docker CLI puts it: a seccomp profile is read here, and `systempaths` is two lists.
    pub(super) fn security(&mut self, value: &Value, host: &mut HostConfig) {
        let path = self.path("security_opt");
        let options = host.security_opt.get_or_insert_default();
        for (at, option) in read::texts(value, &path, &mut self.faults).into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            if option == "systempaths=unconfined" {
                host.masked_paths = Some(Vec::new());
                host.readonly_paths = Some(Vec::new());
            } else if let Some(profile) = seccomp_profile(&option) {
                let content = self.topology.outside.file(profile);
                let parsed = content.and_then(|text| {
                    serde_json::from_str::<serde_json::Value>(&text).map_err(|error| format!("not JSON: {error}"))
                });
                match parsed {
                    Ok(json) => options.push(format!("seccomp={json}")),
                    Err(reason) => self.faults.because(&path, &format!("`{profile}`: {reason}")),
                }
            } else if option.contains(['=', ':']) || option == "no-new-privileges" {
                options.push(option);
            } else {
                self.faults
                    .because(&path, &format!("expected `KEY=VALUE`, found `{option}`"));
            }
        }
    }
}
