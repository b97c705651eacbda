//! `pgattest key`.

use crate::args::{KeyArgs, KeyForm};
use crate::failure::Failure;
use crate::home::Home;
use crate::printer::Printer;
use pgattest_ledger::checkpoint::default_origin;

pub(crate) fn run(arguments: &KeyArgs, printer: &Printer) -> Result<u8, Failure> {
    let home = Home::at(&arguments.home)?;
    let stored = home.key(printer)?;
    let key = stored.key.public_key();
    let text = match arguments.form {
        KeyForm::Openssh => format!("{}\n", key.openssh_line()),
        KeyForm::AllowedSigners => format!("{}\n", key.allowed_signers_line()),
        KeyForm::Note => format!("{}\n", key.vkey(&default_origin(&key))),
        KeyForm::All => format!(
            "public key (give it to the auditor by another way than the package)\n  {}\n\n\
             for ssh-keygen -Y verify -f FILE\n  {}\n\nfor verifiers of the ledger's checkpoints\n  {}\n\nfingerprint\n  {}\n",
            key.openssh_line(),
            key.allowed_signers_line(),
            key.vkey(&default_origin(&key)),
            key.fingerprint(),
        ),
    };
    printer.result(&text)?;
    Ok(crate::CLEAN)
}
