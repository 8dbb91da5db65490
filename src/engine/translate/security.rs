//! The security options of a container (Compose specification, services, `security_opt`).

use super::{Translation, read};
use crate::cluster::Security;
use crate::compose::seccomp_profile;
use crate::value::Value;

impl Translation<'_> {
    /// Translates `security_opt` as the Docker CLI does: the file of a seccomp profile is read here, and `systempaths`
    /// becomes separate fields of the request.
    pub(super) fn security(&mut self, value: &Value, security: &mut Security) {
        let path = self.path("security_opt");
        let options = security.options.get_or_insert_default();
        for (at, option) in read::texts(value, &path, &mut self.faults).into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            if option == "systempaths=unconfined" {
                security.all_system_paths = true;
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
