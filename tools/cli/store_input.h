// From flags to a surveyed store, and the questions about it that only the operating system can answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libstore/base/error.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/verify.h"
#include "libstore/io/rate_limited_files.h"
#include "libstore/scan/store_survey.h"
#include "tools/cli/command_line.h"
#include "tools/cli/terminal.h"

namespace rmq::cli {

// The flags that every command has, checked.
struct CommonOptions {
  forensics::OutputFormat format = forensics::OutputFormat::text;
  std::int32_t jobs = 1;
  std::int64_t max_rate = 0;         // bytes a second; 0: as fast as it goes
  std::int64_t max_duration_ms = 0;  // 0: as long as it takes
  std::int64_t memory = 256 << 20;
  bool utc = false;
  When progress = When::automatic;
  When color = When::automatic;
};
[[nodiscard]] Result<CommonOptions> common_options(const Arguments& arguments);

// Reads --broker-conf and applies the directories given. Warns in the name of `program`.
[[nodiscard]] Result<scan::StoreConfig> store_config(std::string_view program, const Arguments& arguments,
                                                     const std::string& store);
// The same, and looks what is there.
[[nodiscard]] Result<scan::StoreSurvey> survey_from(std::string_view program, const Arguments& arguments,
                                                    const std::string& store);

// What a command reads through: the operating system's files, at the rate that was asked for.
class ReadingFiles {
 public:
  explicit ReadingFiles(const CommonOptions& options);
  [[nodiscard]] const io::ReadFileSystem& get() const;

 private:
  RealWaiter waiter_;
  std::optional<io::RateLimitedFileSystem> limited_;
};

// Asks who holds the lock file, without ever taking it, who else writes to the store, and whether the process
// of the abort file lives.
[[nodiscard]] forensics::LockState ask_lock_state(const scan::StoreSurvey& survey);

// Who uses the store, and what to do about it; only where the state says that somebody does.
[[nodiscard]] std::string live_sentence(const std::string& store, const forensics::LockState& state);

// What happened, where, and what to do about it.
[[nodiscard]] std::string sentence_of(const Error& error);
// Which exit code an error stands for, and which a verdict.
[[nodiscard]] int exit_code_of(const Error& error);
[[nodiscard]] int exit_code_of(const forensics::VerifySummary& summary);

}  // namespace rmq::cli
