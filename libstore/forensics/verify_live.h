// rmq-verify --live: judges a store beside a running broker, up to a mark (SettledStore). What looks wrong is
// looked at again, with a new mark, and reported only if it is still wrong and was not written to meanwhile.
#pragma once

#include <cstdint>
#include <functional>

#include "libstore/base/waiter.h"
#include "libstore/forensics/settled_store.h"
#include "libstore/forensics/verify.h"

namespace rmq::forensics {

struct LiveOptions {
  SettledStore::Options look;
  std::int64_t again_ms = 1000;  // before a second look
  int most_looks = 4;
  // Called before each look at the whole store.
  std::function<void(const scan::StoreSurvey&)> begins;
};

struct LiveSummary {
  VerifySummary verify;         // of the last look; counts only what was reported
  std::int64_t settled_to = 0;  // log offset up to which was looked
  std::int64_t log_end = 0;     // where the log ended then
  int looks = 0;
  std::int64_t dismissed = 0;    // suspects that a later look did not find, or that were deleted meanwhile
  std::int64_t unconfirmed = 0;  // suspects of the last look, when no other one was allowed
  std::int64_t vanished = 0;     // files that expired or were deleted before they were read, in the last look
};

// Findings go to `sink` after the last look, as from run_verify. Fails as SettledStore::look does.
[[nodiscard]] Result<LiveSummary> run_verify_live(const io::ReadFileSystem& files,
                                                  const scan::StoreConfig& config,
                                                  const VerifyOptions& options, const LiveOptions& live,
                                                  Waiter& waiter, const FindingSink& sink);

}  // namespace rmq::forensics
