// A copy of a store with all of its parts in their default places, for `rmq-repair --out`.
#pragma once

#include <functional>
#include <string>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::cli {

// Files share blocks with the originals where the file system can do that; names, times, modes and owners
// stay; lost+found and the lock are left out. `target` must not exist, or be empty. What there is of it is
// removed where it fails or is cancelled.
[[nodiscard]] Status copy_store(io::FileSystem& files, const scan::StoreSurvey& survey,
                                const std::string& target, const std::function<bool()>& cancelled);

}  // namespace rmq::cli
