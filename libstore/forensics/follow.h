// rmq-dump log --follow: the commit log as it is, and then as it grows: every record once and in order, none
// before it is whole. Files roll, expire in front and are made in advance meanwhile; what was not read before
// it expired is a gap. Runs in the caller's thread, with flat memory, until `observer` is cancelled, the
// limit is reached, or --to is passed.
#pragma once

#include <cstdint>

#include "libstore/base/waiter.h"
#include "libstore/forensics/dump.h"

namespace rmq::forensics {

struct FollowTimes {
  std::int64_t shortest_poll_ms = 20;  // between two looks while records come
  std::int64_t longest_poll_ms = 500;  // and while none do
  // The last record of the log is printed when another one follows it, or when it looks whole and stayed as
  // it is so long.
  std::int64_t settle_ms = 100;
  std::int64_t stuck_ms = 2000;  // bytes that stay no record so long are searched for records behind them
};

// Takes what dump_log takes, but for join and stats. Fails with wrong_use on a DLedger log and on a single
// file.
[[nodiscard]] Result<DumpSummary> follow_log(const DumpInput& input, const DumpOptions& options,
                                             const FollowTimes& times, Waiter& waiter, ByteSink& out);

}  // namespace rmq::forensics
