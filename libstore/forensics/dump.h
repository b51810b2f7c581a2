// What rmq-dump prints: one function a verb. Every function reads through a ReadFileSystem, hands its output
// to a ByteSink in large pieces and tells in a DumpSummary what it met; nothing here prints, writes or locks.
// Functions are called from one thread; dump_log and dump_stats start workers of their own and join them.
// The lines are documented in docs/tools/rmq-dump.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/forensics/dump_filter.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

// The version of every JSON line's fields ("schema").
inline constexpr std::int32_t kDumpSchema = 1;

// Takes finished output.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // False: nobody reads any more (a broken pipe), or writing failed; the caller stops.
  virtual bool write(std::string_view text) = 0;
};

// Watches and steers a run. All functions may be called from any thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void expect(std::int64_t bytes) = 0;   // that will be read
  virtual void advance(std::int64_t bytes) = 0;  // that were read; may wait to hold a rate
  [[nodiscard]] virtual bool cancelled() const = 0;
};

enum class OutputFormat { text, json };
enum class BodyForm { none, text, hex, base64, file };
enum class PropertyForm { all, user, none };
enum class StatsGroup { none, topic, queue, hour, tag };

struct DumpOptions {
  OutputFormat format = OutputFormat::text;
  bool utc = false;
  bool color = false;
  std::int32_t jobs = 1;            // workers that decode and format
  std::int64_t memory = 256 << 20;  // bytes for buffers between reader, workers and output

  RecordFilter filter;
  bool strict_names = true;  // a topic pattern that matches nothing is wrong use

  BodyForm body = BodyForm::none;
  bool decompress = false;  // the body printed is the plain one
  PropertyForm properties = PropertyForm::all;
  bool hash = false;
  bool join = false;
  StatsGroup stats = StatsGroup::none;

  bool all =
      false;  // cq: also what no consumer can ask for: fillers, expired units, units past the log's end
  bool chains = false;     // index: walk every slot's chain
  std::string index_file;  // index: only this one
  std::string key;         // key, trace: what to look for; msg: an id or an offset

  // Stores one body outside of the store and returns where (BodyForm::file). Called from one thread.
  std::function<Result<std::string>(std::string_view name, std::span<const std::byte> body)> body_writer;
};

struct DumpSummary {
  std::int64_t lines = 0;  // records, units or entries printed
  std::int64_t gaps = 0;
  std::int64_t gap_bytes = 0;
  std::int64_t bytes_checked = 0;
  std::int64_t bytes_expected = 0;
  bool found = true;                // key, msg, trace: something was there
  bool stopped = false;             // by the limit, by the sink or cancelled: not everything was read
  std::vector<std::string> faults;  // what could not be read
  std::vector<std::string> notes;   // what a user should know about the output
};

struct DumpInput {
  const io::ReadFileSystem& files;
  const scan::StoreSurvey& survey;
  RunObserver& observer;
};

// The commit log in its order; with options.stats counts instead.
[[nodiscard]] Result<DumpSummary> dump_log(const DumpInput& input, const DumpOptions& options, ByteSink& out);
// Consume queue units by topic, queue and offset.
[[nodiscard]] Result<DumpSummary> dump_queues(const DumpInput& input, const DumpOptions& options,
                                              ByteSink& out);
// Index headers and entries.
[[nodiscard]] Result<DumpSummary> dump_index(const DumpInput& input, const DumpOptions& options,
                                             ByteSink& out);
// Messages by key, as a broker finds them: newest index file first.
[[nodiscard]] Result<DumpSummary> dump_key(const DumpInput& input, const DumpOptions& options, ByteSink& out);
// One message by offset message id, physical offset or UNIQ_KEY.
[[nodiscard]] Result<DumpSummary> dump_message(const DumpInput& input, const DumpOptions& options,
                                               ByteSink& out);

// What happened to messages: a walk over the log for every trace of them.
[[nodiscard]] Result<DumpSummary> dump_trace(const DumpInput& input, const DumpOptions& options, ByteSink& out);
// Bytes by commit log file, day and topic; which groups have still to read from a file; what goes when one goes.
[[nodiscard]] Result<DumpSummary> dump_usage(const DumpInput& input, const DumpOptions& options, ByteSink& out);

// Who holds the store's lock file (F_GETLK), and who writes to the store without it; the tool asks the operating system,
// the library only prints.
struct LockState {
  bool asked = false;
  std::string refused;                 // why nobody could be asked; empty when there was no need
  std::optional<std::int32_t> holder;  // process id
  std::optional<std::int32_t> writer;  // another process that has a file of the store open for writing
  std::string writer_program;
  std::string writer_file;
  std::optional<bool> abort_process_alive;
};
[[nodiscard]] Result<DumpSummary> dump_state(const DumpInput& input, const DumpOptions& options,
                                             const LockState& lock, ByteSink& out);
[[nodiscard]] Result<DumpSummary> dump_config(const DumpInput& input, const DumpOptions& options,
                                              ByteSink& out);

}  // namespace rmq::forensics
