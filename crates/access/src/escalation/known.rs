//! What is known to be as good as superuser: predefined roles, functions, parameters and languages.

use super::Grade;

/// A predefined role by its name, the first major that has it, and what it is as good as. No role of one's own can have such
/// a name.
pub(super) const ROLES: [(&str, u32, Grade); 4] = [
    ("pg_execute_server_program", 13, Grade::OperatingSystem),
    ("pg_write_server_files", 13, Grade::OperatingSystem),
    ("pg_read_server_files", 13, Grade::ReadsEverything),
    ("pg_read_all_data", 14, Grade::ReadsEverything),
];

/// A function that only superusers may run until somebody grants it on.
pub(super) struct KnownFunction {
    /// Its name, whatever the arguments.
    pub(super) name: &'static str,
    /// The extension it comes with; empty for the server's own.
    pub(super) extension: &'static str,
    pub(super) grade: Grade,
    /// What else it takes; empty when it takes nothing.
    pub(super) when: &'static str,
}

/// `pg_ls_dir`, `pg_stat_file` and their like are not here: they say what files there are and not what is in them.
pub(super) const FUNCTIONS: [KnownFunction; 7] = [
    KnownFunction {
        name: "pg_read_file",
        extension: "",
        grade: Grade::ReadsEverything,
        when: "",
    },
    KnownFunction {
        name: "pg_read_binary_file",
        extension: "",
        grade: Grade::ReadsEverything,
        when: "",
    },
    KnownFunction {
        name: "lo_import",
        extension: "",
        grade: Grade::ReadsEverything,
        when: "",
    },
    KnownFunction {
        name: "lo_export",
        extension: "",
        grade: Grade::OperatingSystem,
        when: "",
    },
    KnownFunction {
        name: "pg_file_write",
        extension: "adminpack",
        grade: Grade::OperatingSystem,
        when: "",
    },
    KnownFunction {
        name: "dblink_connect_u",
        extension: "dblink",
        grade: Grade::Superuser,
        when: "pg_hba.conf lets the server's own account in as a superuser without a password",
    },
    KnownFunction {
        name: "set_user_u",
        extension: "set_user",
        grade: Grade::Superuser,
        when: "set_user.superuser_allowlist names the role",
    },
];

/// A parameter whose value makes the server run or write something.
pub(super) struct KnownParameter {
    pub(super) name: &'static str,
    /// Whether SET is enough; otherwise only ALTER SYSTEM does it.
    pub(super) by_set: bool,
    /// What else it takes.
    pub(super) when: &'static str,
}

const LIBRARY: &str = "a library of the attacker's is on the server";
const RELOAD: &str = "the configuration is loaded again";
const RESTART: &str = "the server is started again";

/// As good as the operating-system account, each of them.
pub(super) const PARAMETERS: [KnownParameter; 22] = [
    by_set("session_preload_libraries", LIBRARY),
    by_set("dynamic_library_path", LIBRARY),
    by_set(
        "extension_control_path",
        "a control file of the attacker's is on the server",
    ),
    by_set("plperl.on_plperlu_init", "somebody runs plperlu code"),
    by_set("pltclu.start_proc", "somebody runs pltclu code"),
    by_system(
        "plperl.on_init",
        "somebody runs PL/Perl code in a new session",
    ),
    by_system(
        "shared_preload_libraries",
        "a library of the attacker's is on the server, and it is started again",
    ),
    by_system(
        "jit_provider",
        "a library of the attacker's is on the server, and it is started again",
    ),
    by_system(
        "archive_library",
        "a library of the attacker's is on the server",
    ),
    by_system(
        "oauth_validator_libraries",
        "a library of the attacker's is on the server",
    ),
    by_system("archive_command", RELOAD),
    by_system(
        "archive_cleanup_command",
        "the configuration is loaded again on a standby",
    ),
    by_system("restore_command", "the server recovers or is a standby"),
    by_system("recovery_end_command", "the server recovers"),
    by_system(
        "ssl_passphrase_command",
        "the configuration is loaded again and ssl_passphrase_command_supports_reload is on, or the server is started again",
    ),
    by_system("log_directory", RELOAD),
    by_system("log_filename", RELOAD),
    by_system("external_pid_file", RESTART),
    by_system(
        "hba_file",
        "the server is started again, and a file of the attacker's is on it",
    ),
    by_system(
        "ident_file",
        "the server is started again, and a file of the attacker's is on it",
    ),
    by_system(
        "config_file",
        "the server is started again, and a file of the attacker's is on it",
    ),
    by_system(
        "data_directory",
        "the server is started again, and a directory of the attacker's is on it",
    ),
];

const fn by_set(name: &'static str, when: &'static str) -> KnownParameter {
    KnownParameter {
        name,
        by_set: true,
        when,
    }
}

const fn by_system(name: &'static str, when: &'static str) -> KnownParameter {
    KnownParameter {
        name,
        by_set: false,
        when,
    }
}

/// Languages whose functions do whatever the server's account can. The server lets only superusers use them, unless somebody
/// set `pg_language.lanpltrusted`.
pub(super) const UNTRUSTED: [&str; 11] = [
    "c",
    "internal",
    "plperlu",
    "plpython2u",
    "plpython3u",
    "plpythonu",
    "pltclu",
    "pljavau",
    "plsh",
    "plr",
    "pllua_u",
];
