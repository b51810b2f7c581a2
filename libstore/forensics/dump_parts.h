// What rmq-dump state and config tell of the store's smaller parts: timer, epochs, compaction, DLedger.
#pragma once

#include <string>
#include <string_view>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/json/json_writer.h"

namespace rmq::forensics {

// Writes its lines to `output`, which belongs to the verb; counts what it reads in `summary`. All must
// outlive it.
class PartsDump {
 public:
  PartsDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, LineOutput& output)
      : input_(input),
        summary_(summary),
        output_(output),
        to_json_(options.format == OutputFormat::json),
        time_(options.utc) {}

  void state();
  // How far the timer has come, beside the queue that feeds it.
  void timer_progress(DumpQueueTable& queues);
  // config/timermetrics: what waits, by topic.
  void timer_metrics(const json::Value& value);

 private:
  void timer();
  void epochs();
  // A whole small file; nothing where there is none or it cannot be read.
  std::optional<std::vector<std::byte>> read(const scan::StoreFile& file);
  void begin(std::string_view kind);
  void end();

  const DumpInput& input_;
  DumpSummary& summary_;
  LineOutput& output_;
  const bool to_json_;
  TimeText time_;
  json::JsonLine json_;
};

}  // namespace rmq::forensics
