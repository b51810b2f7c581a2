// Carries out what repair_plan.h planned, or leaves the store as it was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/repair/repair_plan.h"

namespace rmq::repair {

struct ApplyOptions {
  scan::StoreConfig config;  // where the store lies; its root is absolute
  RepairRequest request;
  std::string plan_hash;       // RepairPlan::hash of the plan that may be carried out; empty: any
  std::string undo_directory;  // where the original bytes go; empty: lost+found/<UTC time> of the store
  std::int64_t now_ms = 0;
  // A copy that nobody else has (--out): nothing is kept.
  bool is_copy = false;
};

struct ApplyReport {
  RepairPlan plan;             // what was carried out
  std::string undo_directory;  // empty where nothing was changed, or nothing is kept
  std::int64_t resumed = 0;    // runs of the same plan that were cut off, and were taken back first
};

// What apply_repair() could not do, and in which state the store is then.
enum class ApplyFault {
  none,
  refused,      // the store is in use, or not what the plan saw: nothing was changed
  no_space,     // there is too little for it: nothing was changed
  not_mended,   // the plan says that it cannot be mended: nothing was changed
  rolled_back,  // it failed or was cancelled, and every byte was put back
  stuck,        // it failed, and so did putting everything back: undo() later
};

struct Applied {
  ApplyFault fault = ApplyFault::none;
  std::optional<Error> error;  // unless fault is none
  ApplyReport report;
};

// Takes the store's lock. Killed at any moment, a second call takes back what the first one did, and begins
// anew; recovery::undo(undo_directory) alone takes it back. A full disk, a failing one, and `cancelled` are
// rolled back at once.
[[nodiscard]] Applied apply_repair(io::FileSystem& files, const ApplyOptions& options);

}  // namespace rmq::repair
