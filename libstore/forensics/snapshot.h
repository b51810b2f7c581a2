// rmq-dump snapshot: a copy of a store to hand to somebody else, in one archive. Every file is there with its
// size and its times; what messages say to people is not (redact.h). Queues, index and state files are as
// they are: they hold offsets, hashes and names. rmq-verify and its preflight judge the copy as they judge
// the store.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/forensics/dump.h"

namespace rmq::forensics {

struct SnapshotSummary {
  std::int64_t files = 0;
  std::int64_t bytes = 0;    // of the store's files
  std::int64_t records = 0;  // whose bodies and user properties are blanked
  std::vector<std::string> notes;
};

// Hands the archive to `sink` (false: writing failed). One buffer, at most Redactor::kMostHeld. Files of
// directories outside of the root are put below it under their directory's name. Left out: lost+found (it
// holds originals). Fails with cancelled when the observer says so; the archive is no good then.
[[nodiscard]] Result<SnapshotSummary> write_snapshot(const DumpInput& input,
                                                     std::function<bool(std::span<const std::byte>)> sink);

}  // namespace rmq::forensics
