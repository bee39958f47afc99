//! Where to listen, as people write it.

use std::io;
use std::net::TcpListener;

use jobq_core::{Error, ErrorKind, Result};

/// Listens at an address: `HOST:PORT`, or a port alone for this machine alone.
///
/// # Errors
///
/// [`Misconfigured`](ErrorKind::Misconfigured) when it is no address; [`Refused`](ErrorKind::Refused) when the machine does
/// not let us listen there, which may pass: another process that is about to end has the port. In words.
pub(super) fn bind(address: &str) -> Result<TcpListener> {
    open(&place(address)?)
}

/// The address with its host, which may not be there: `127.0.0.1:9090`.
///
/// # Errors
///
/// [`Misconfigured`](ErrorKind::Misconfigured) when it is no address.
pub(crate) fn place(address: &str) -> Result<String> {
    let address = address.trim();
    if let Ok(port) = address.parse::<u16>() {
        return Ok(format!("127.0.0.1:{port}"));
    }
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    if port.parse::<u16>().is_err() {
        return Err(misconfigured(format!(
            "{address:?} is no address to listen at, such as 127.0.0.1:9090"
        )));
    }
    if host.is_empty() {
        return Err(misconfigured(format!(
            "{address:?} names no host: 127.0.0.1{address} is for this machine alone, 0.0.0.0{address} \
             for whoever can reach it"
        )));
    }
    Ok(address.to_owned())
}

fn open(place: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(place).map_err(|cause| {
        let why = match cause.kind() {
            io::ErrorKind::AddrInUse => "something else does already".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            io::ErrorKind::PermissionDenied => "this user may not".to_owned(),
            _ => cause.to_string(),
        };
        refused(place, &why)
    })?;
    let ready = listener.set_nonblocking(true);
    ready.map_err(|cause| refused(place, &cause.to_string()))?;
    Ok(listener)
}

fn refused(shown: &str, why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("cannot listen at {shown}: {why}"))
}

fn misconfigured(why: String) -> Error {
    Error::new(ErrorKind::Misconfigured, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_for_this_machine_alone() {
        for address in ["0", "127.0.0.1:0", "localhost:0", " 0 "] {
            let listener = bind(address).unwrap();
            assert!(listener.local_addr().unwrap().ip().is_loopback(), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_one_that_is() {
        for (address, told) in [
            ("", "\"\" is no address to listen at, such as 127.0.0.1:9090"),
            ("localhost", "\"localhost\" is no address"),
            ("127.0.0.1:http", "is no address"),
            ("127.0.0.1:99999", "is no address"),
            ("99999", "is no address"),
            (
                ":9090",
                "\":9090\" names no host: 127.0.0.1:9090 is for this machine alone, 0.0.0.0:9090",
            ),
        ] {
            let error = bind(address).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains(told), "{address:?}: {error}");
        }
    }

    #[test]
    fn an_address_of_another_machine_may_be_ours_later() {
        let error = bind("192.0.2.1:9090").unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Refused);
        let told = "cannot listen at 192.0.2.1:9090: this machine has no such address";
        assert!(error.to_string().contains(told), "{error}");
    }

    #[test]
    fn a_port_in_use_is_told_with_the_address() {
        let taken = bind("0").unwrap();
        let address = taken.local_addr().unwrap().to_string();

        let error = bind(&address).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Refused);
        let told = format!("cannot listen at {address}: something else does already");
        assert!(error.to_string().contains(&told), "{error}");
    }
}
