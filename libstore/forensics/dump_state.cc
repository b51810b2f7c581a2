// rmq-dump state: what a store is made of, and how far its parts have come.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_parts.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kCheckpointLimit = 1 << 20;
constexpr std::int64_t kAbortLimit = 64;

struct LastRecord {
  std::int64_t store_timestamp = 0;
  std::int32_t version = 0;
  bool any = false;
};

class StateDump {
 public:
  StateDump(const DumpInput& input, const DumpOptions& options, const LockState& lock, DumpSummary& summary,
            ByteSink& out)
      : input_(input),
        survey_(input.survey),
        lock_(lock),
        summary_(summary),
        output_(options.filter, summary, out),
        to_json_(options.format == OutputFormat::json),
        time_(options.utc),
        queues_(input.files, input.survey),
        parts_(input, options, summary, output_) {}

  void run() {
    walk_end();
    layout();
    versions();
    processes();
    checkpoint();
    queues();
    indexes();
    parts_.state();
    others();
    output_.finish();
    for (std::string& fault : queues_.faults()) summary_.faults.push_back(std::move(fault));
  }

 private:
  // The log's end, and the last record in it.
  void walk_end() {
    log_end_ = log_end(input_.files, survey_);
    const auto& files = survey_.commit_log.files;
    for (std::size_t i = files.size(); i-- > 0 && !last_.any;) {
      if (files[i].start >= log_end_ && i > 0) continue;
      const auto file = input_.files.open(files[i].path);
      if (!file) {
        summary_.faults.push_back(file.error().message());
        continue;
      }
      scan::CommitLogWalker::Options walk;
      walk.records_start = scan::records_start(**file, files[i].start).value_or(files[i].start);
      walk.file_size = survey_.commit_log.file_size;
      walk.dledger = survey_.commit_log_is_dledger;
      scan::CommitLogWalker walker(**file, walk);
      summary_.bytes_expected += files[i].size;
      while (const auto item = walker.next()) {
        summary_.bytes_checked += item->length;
        if (item->kind == scan::LogItemKind::record)
          last_ = {item->message.store_timestamp, item->message.version, true};
      }
    }
  }

  void layout() {
    const auto& log = survey_.commit_log;
    const std::int64_t bytes = survey_.commit_log_bytes();
    if (to_json_) {
      begin_line(json_, "commitLog");
      json_.field("files", log.files.size());
      json_.field("fileSize", log.file_size);
      json_.field("bytes", bytes);
      json_.field("dledger", survey_.commit_log_is_dledger);
      json_.field("minOffset", log.files.empty() ? 0 : log.files.front().start);
      json_.field("maxOffset", log_end_);
      if (last_.any) json_.field("lastStoreTimestamp", last_.store_timestamp);
      json_.field("strays", log.strays.size());
      end_json();
      return;
    }
    std::string text;
    auto out = std::back_inserter(text);
    fmt::format_to(out, "commit log     {} files of {}, {} in all{}\n", log.files.size(),
                   size_text(log.file_size), size_text(bytes),
                   survey_.commit_log_is_dledger ? ", inside DLedger entries" : "");
    fmt::format_to(out, "               offsets {} to {}\n", log.files.empty() ? 0 : log.files.front().start,
                   log_end_);
    if (last_.any)
      fmt::format_to(out, "               last message stored {}\n", time_.text(last_.store_timestamp));
    for (const scan::StoreFile& stray : log.strays) {
      text += "               stray file ";
      append_visible(text, stray.shown);
      text += '\n';
    }
    output_.line(text);
  }

  // What can be told about who wrote the store.
  void versions() {
    const scan::OtherFile* const evidence = survey_.left_by_5x();
    if (to_json_) {
      begin_line(json_, "versions");
      json_.key("rocketmq");
      if (evidence != nullptr) {
        json_.value("5.x");
        json_.field("because", evidence->shown);
      } else {
        json_.value(nullptr);
      }
      json_.key("recordVersion");
      if (last_.any) {
        json_.value(last_.version);
      } else {
        json_.value(nullptr);
      }
      end_json();
      return;
    }
    std::string text = "versions       ";
    if (evidence != nullptr) {
      text += "a broker 5.x left ";
      append_visible(text, evidence->shown);
    } else {
      text += "nothing that only 5.x leaves behind";
    }
    if (last_.any)
      fmt::format_to(std::back_inserter(text), "; the last record is of version {}", last_.version);
    output_.line(text + '\n');
  }

  void processes() {
    std::string pid;
    if (survey_.abort) {
      if (const auto bytes = io::read_all(input_.files, survey_.abort->path, kAbortLimit))
        append_visible(pid, as_text(*bytes));
    }
    if (to_json_) {
      begin_line(json_, "processes");
      json_.field("abort", survey_.abort.has_value());
      if (survey_.abort) json_.field("abortPid", pid);
      if (lock_.abort_process_alive) json_.field("abortProcessAlive", *lock_.abort_process_alive);
      json_.field("lockFile", survey_.lock.has_value());
      json_.key("lockHolderPid");
      if (lock_.holder) {
        json_.value(*lock_.holder);
      } else {
        json_.value(nullptr);
      }
      json_.key("writerPid");
      if (lock_.writer) {
        json_.value(*lock_.writer);
        json_.field("writerProgram", lock_.writer_program);
        json_.field("writerFile", lock_.writer_file);
      } else {
        json_.value(nullptr);
      }
      end_json();
      return;
    }
    std::string text = "abort file     ";
    if (!survey_.abort) {
      text += "none: stopped cleanly, or never started\n";
    } else {
      text += "there: running, or stopped uncleanly";
      if (!pid.empty()) text += "; by process " + pid;
      if (lock_.abort_process_alive)
        text += *lock_.abort_process_alive ? ", a process of that id lives" : ", which is gone";
      text += '\n';
    }
    text += "lock           ";
    if (lock_.holder) {
      text += fmt::format("held by process {}\n", *lock_.holder);
    } else if (survey_.lock) {
      text += lock_.asked ? "file there, nobody holds it\n" : "file there; who holds it cannot be asked\n";
    } else {
      text += "no file\n";
    }
    if (lock_.writer) {
      fmt::format_to(std::back_inserter(text), "open           process {} (", *lock_.writer);
      append_visible(text, lock_.writer_program);
      text += ") has ";
      append_visible(text, lock_.writer_file);
      text += " open for writing\n";
    }
    output_.line(text);
  }

  void checkpoint() {
    if (!survey_.checkpoint) {
      if (!to_json_) output_.line("checkpoint     none\n");
      return;
    }
    const auto bytes = io::read_all(input_.files, survey_.checkpoint->path, kCheckpointLimit);
    if (!bytes) {
      summary_.faults.push_back(bytes.error().message());
      return;
    }
    const auto checkpoint = format::StoreCheckpoint::read(*bytes);
    if (to_json_) {
      begin_line(json_, "checkpoint");
      json_.field("fileSize", survey_.checkpoint->size);
      json_.field("physicMsgTimestamp", checkpoint.physic_msg_timestamp);
      json_.field("logicsMsgTimestamp", checkpoint.logics_msg_timestamp);
      json_.field("indexMsgTimestamp", checkpoint.index_msg_timestamp);
      json_.field("masterFlushedOffset", checkpoint.master_flushed_offset);
      json_.field("confirmPhyOffset", checkpoint.confirm_phy_offset);
      if (last_.any) {
        json_.field("physicLagMs", saturated_sub(last_.store_timestamp, checkpoint.physic_msg_timestamp));
        json_.field("logicsLagMs", saturated_sub(last_.store_timestamp, checkpoint.logics_msg_timestamp));
        json_.field("indexLagMs", saturated_sub(last_.store_timestamp, checkpoint.index_msg_timestamp));
      }
      end_json();
      return;
    }
    std::string text = fmt::format("checkpoint     {} bytes\n", survey_.checkpoint->size);
    time_line(text, "log", checkpoint.physic_msg_timestamp);
    time_line(text, "queues", checkpoint.logics_msg_timestamp);
    time_line(text, "index", checkpoint.index_msg_timestamp);
    fmt::format_to(std::back_inserter(text), "               master flushed {}, confirmed {}\n",
                   checkpoint.master_flushed_offset, checkpoint.confirm_phy_offset);
    output_.line(text);
  }

  void time_line(std::string& text, std::string_view part, std::int64_t ms) {
    fmt::format_to(std::back_inserter(text), "               {:<7}", part);
    if (ms == 0) {
      text += "never\n";
      return;
    }
    time_.append(text, ms);
    if (last_.any) {
      const std::int64_t lag = saturated_sub(last_.store_timestamp, ms);
      fmt::format_to(std::back_inserter(text), ", {:.3f} s {} the last message",
                     std::abs(static_cast<double>(lag)) / 1000, lag < 0 ? "ahead of" : "behind");
    }
    text += '\n';
  }

  void queues() {
    if (!to_json_) {
      output_.line(fmt::format("queues         {}\n{:<4}{:<36} {:>5} {:>12} {:>12} {:>6}  {}\n",
                               queues_.size(), "", "topic", "queue", "min", "max", "files", "kind"));
    }
    for (std::size_t i = 0; i < queues_.size() && !input_.observer.cancelled(); ++i) {
      const scan::Queue& queue = queues_.queue(i);
      const QueueBounds bounds = queues_.bounds(i);
      const std::string_view kind = queue.kind == scan::QueueKind::batch ? "BatchCQ" : "SimpleCQ";
      if (to_json_) {
        begin_line(json_, "queue");
        json_.field("topic", queue.topic);
        json_.field("queueId", queue.queue_id);
        json_.field("type", kind);
        json_.field("minOffset", bounds.min_offset);
        json_.field("maxOffset", bounds.max_offset);
        json_.field("files", queue.files.files.size());
        json_.field("fileSize", queue.files.file_size);
        json_.field("extFiles", queue.ext.files.size());
        end_json();
        continue;
      }
      std::string text = "    ";
      append_visible(text, queue.topic);
      constexpr std::size_t kTopicWidth = 40;
      if (text.size() < kTopicWidth) text.append(kTopicWidth - text.size(), ' ');
      fmt::format_to(std::back_inserter(text), " {:>5} {:>12} {:>12} {:>6}  {}{}\n", queue.queue_id,
                     bounds.min_offset, bounds.max_offset, queue.files.files.size(), kind,
                     queue.ext.files.empty() ? "" : " with ext");
      output_.line(text);
    }
  }

  void indexes() {
    const auto geometries = scan::infer_index_geometries(input_.files, survey_);
    if (!to_json_) output_.line(fmt::format("index files    {}\n", survey_.index_files.size()));
    for (std::size_t i = 0; i < survey_.index_files.size(); ++i) {
      const scan::IndexFileInfo& file = survey_.index_files[i];
      if (to_json_) {
        begin_line(json_, "indexFile");
        json_.field("file", file.name);
        json_.field("size", file.size);
        json_.field("slots", geometries[i].slots);
        json_.field("maxIndexNum", geometries[i].entries);
        json_.field("slotsAmbiguous", geometries[i].ambiguous);
        end_json();
        continue;
      }
      output_.line(fmt::format("    {}  {}, {} slots{}\n", file.name, size_text(file.size),
                               geometries[i].slots, geometries[i].ambiguous ? " (a guess)" : ""));
    }
  }

  void others() {
    for (const scan::StoreFile& file : survey_.config_files) other(file, "config");
    for (const scan::StoreFile& file : survey_.queue_strays) other(file, "stray");
    for (const scan::StoreFile& file : survey_.index_strays) other(file, "stray");
    for (const scan::OtherFile& file : survey_.others) other(file, name_of(file.part));
  }

  void other(const scan::StoreFile& file, std::string_view part) {
    if (to_json_) {
      begin_line(json_, "file");
      json_.field("file", file.shown);
      json_.field("size", file.size);
      json_.field("part", part);
      end_json();
      return;
    }
    std::string text = fmt::format("{:<15}", part);
    append_visible(text, file.shown);
    text += "  " + size_text(file.size) + '\n';
    output_.line(text);
  }

  static std::string_view name_of(scan::OtherPart part) {
    switch (part) {
      case scan::OtherPart::timer: return "timer";
      case scan::OtherPart::dledger: return "dledger";
      case scan::OtherPart::compaction: return "compaction";
      case scan::OtherPart::rocksdb: return "rocksdb";
      case scan::OtherPart::epoch: return "epoch";
      case scan::OtherPart::pop_kv: return "pop";
      case scan::OtherPart::unknown: return "other";
    }
    return "other";
  }

  void end_json() {
    end_line(json_);
    output_.line(json_.text());
    json_.clear();
  }

  const DumpInput& input_;
  const scan::StoreSurvey& survey_;
  const LockState& lock_;
  DumpSummary& summary_;
  LineOutput output_;
  const bool to_json_;
  TimeText time_;
  DumpQueueTable queues_;
  PartsDump parts_;
  json::JsonLine json_;
  std::int64_t log_end_ = 0;
  LastRecord last_;
};

}  // namespace

Result<DumpSummary> dump_state(const DumpInput& input, const DumpOptions& options, const LockState& lock,
                               ByteSink& out) {
  DumpSummary summary;
  StateDump(input, options, lock, summary, out).run();
  return summary;
}

}  // namespace rmq::forensics
