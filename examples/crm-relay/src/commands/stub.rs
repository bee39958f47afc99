//! `stub`: a receiver of webhooks to try things out with.

use jobq_worker::StopSignals;
use program::Failure;

use crate::cli::StubArgs;
use crate::report;
use crate::stub::{Chances, Server, StubReceiver};

pub(super) async fn stub(args: &StubArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let StubArgs { seed, fail, lose, busy, hang, refuse, .. } = *args;
    let chances = Chances { seed, fail, lose, busy, hang, refuse };
    let receiver = StubReceiver::new([&args.secret], chances);
    let server = Server::start(receiver.clone(), args.listen).await?;
    report::line(&format!("listening on {}", server.url("NAME")));
    let mut shown = 0;
    loop {
        tokio::select! {
            () = receiver.came(shown + 1) => {}
            () = signals.next() => return Ok(()),
        }
        for delivery in receiver.deliveries_after(shown) {
            shown += 1;
            let verdict = match delivery.checked {
                Ok(()) if delivery.is_repeat => "a repeat".to_owned(),
                Ok(()) => "verified".to_owned(),
                Err(why) => format!("rejected, {why}"),
            };
            let (key, hook) = (&delivery.key, &delivery.hook);
            report::line(&format!("{hook} {key} {verdict}: {}", delivery.body));
        }
    }
}
