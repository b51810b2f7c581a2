// rmq-dump usage: what fills the commit log's files, who has still to read from them, and what goes when one
// goes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/group_offsets.h"
#include "libstore/forensics/log_volume.h"
#include "libstore/format/index_file.h"

namespace rmq::forensics {
namespace {

constexpr std::size_t kShownGroups = 5;

// What hangs on one commit log file.
struct FileUse {
  std::map<std::string, std::int64_t> behind;  // messages by group
  std::int64_t queue_bytes = 0;                // that go with it
  std::int64_t index_bytes = 0;
};

class UsageDump {
 public:
  UsageDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(options),
        summary_(summary),
        output_(options.filter, summary, out),
        queues_(input.files, input.survey),
        files_(input.survey.commit_log.files),
        use_(files_.size()) {}

  void run() {
    input_.observer.expect(input_.survey.commit_log_bytes());
    summary_.bytes_expected = input_.survey.commit_log_bytes();
    volume_ = measure_log(input_, static_cast<std::size_t>(options_.jobs), options_.utc, TimeSpan::day);
    summary_.bytes_checked = volume_.bytes_checked;
    summary_.faults = std::move(volume_.faults);
    summary_.stopped = input_.observer.cancelled();
    if (summary_.stopped) return;
    const std::vector<GroupOffset> offsets = read_group_offsets(input_, summary_.faults);
    for (const GroupOffset& offset : offsets) add_group(offset);
    if (offsets.empty())
      summary_.notes.emplace_back("no group has stored an offset here: nobody is known to read");
    for (std::size_t i = 0; i < queues_.size(); ++i) count_queue_files(i);
    count_index_files();
    for (std::size_t file = 0; file < files_.size(); ++file) print(file);
    print_total();
    output_.finish();
    for (std::string& fault : queues_.faults()) summary_.faults.push_back(std::move(fault));
  }

 private:
  [[nodiscard]] std::int64_t end_of(std::size_t file) const {
    return file + 1 < files_.size() ? files_[file + 1].start : INT64_MAX;
  }
  // The file that holds a physical offset: where none does, the one before it.
  [[nodiscard]] std::size_t file_of(std::int64_t phy_offset) const {
    const auto behind = std::ranges::upper_bound(files_, phy_offset, {}, &scan::MappedFile::start);
    return behind == files_.begin() ? 0 : static_cast<std::size_t>(behind - files_.begin()) - 1;
  }

  // What the group has still to read of the queue, file by file: units lead into the log in its order.
  void add_group(const GroupOffset& group) {
    const auto queue = queues_.find(group.topic, group.queue_id);
    if (!queue || files_.empty()) return;
    const QueueBounds bounds = queues_.bounds(*queue);
    std::int64_t at = std::max(group.offset, bounds.min_offset);
    while (at < bounds.max_offset) {
      const auto unit = queues_.unit(*queue, at);
      if (!unit) return;
      const std::size_t file = file_of(unit->commit_log_offset);
      std::int64_t low = at + 1;
      std::int64_t high = bounds.max_offset;
      while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        const auto there = queues_.unit(*queue, middle);
        if (there && there->commit_log_offset < end_of(file)) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      use_[file].behind[group.group] += low - at;
      at = low;
    }
  }

  // A queue file goes when the log begins behind its last unit; the newest stays. RocketMQ:
  // ConsumeQueue.deleteExpiredFile.
  void count_queue_files(std::size_t index) {
    const scan::Queue& queue = queues_.queue(index);
    const std::int64_t unit_size = queue.kind == scan::QueueKind::batch ? format::kBatchConsumeQueueEntrySize
                                                                        : format::kConsumeQueueEntrySize;
    for (std::size_t i = 0; i + 1 < queue.files.files.size() && !files_.empty(); ++i) {
      const scan::MappedFile& file = queue.files.files[i];
      if (const auto last = queues_.unit_at(index, queue.files.files[i + 1].start - unit_size))
        use_[file_of(last->commit_log_offset)].queue_bytes += file.size;
    }
  }

  // RocketMQ: IndexService.deleteExpiredFile.
  void count_index_files() {
    const auto& indexes = input_.survey.index_files;
    for (std::size_t i = 0; i + 1 < indexes.size() && !files_.empty(); ++i) {
      std::array<std::byte, format::kIndexHeaderSize> bytes{};
      const auto opened = input_.files.open(indexes[i].path);
      const auto got = opened ? (*opened)->read_at(0, bytes) : Result<std::size_t>(opened.error());
      if (!got) {
        summary_.faults.push_back(got.error().message());
        continue;
      }
      const auto header = format::IndexHeader::parse(bytes);
      if (header) use_[file_of(header->end_phy_offset)].index_bytes += indexes[i].size;
    }
  }

  void print(std::size_t number) {
    const scan::MappedFile& file = files_[number];
    const FileVolume& volume = volume_.files[number];
    const FileUse& use = use_[number];
    // The file that is written to never goes (MappedFileQueue.deleteExpiredFileByTime).
    const bool goes = number + 1 < files_.size();
    const std::int64_t frees = goes ? file.size + use.queue_bytes + use.index_bytes : 0;
    freed_ += frees;
    if (options_.format == OutputFormat::json) {
      begin_line(json_, "usageFile");
      json_.field("file", file.shown);
      json_.field("size", file.size);
      json_.field("messages", volume.all.messages);
      json_.field("bytes", volume.all.bytes);
      json_.field("gapBytes", volume.gap_bytes);
      if (volume.all.messages > 0) {
        json_.field("firstStoreTimestamp", volume.first_ms);
        json_.field("lastStoreTimestamp", volume.last_ms);
      }
      json_.field("allGroupsPassed", use.behind.empty());
      json_.key("behind");
      json_.begin_array();
      for (const auto& [group, messages] : use.behind) {
        json_.begin_object();
        json_.field("group", group);
        json_.field("messages", messages);
        json_.end_object();
      }
      json_.end_array();
      json_.field("frees", frees);
      json_.field("freesWithEarlier", goes ? freed_ : 0);
      write_json(true);
    } else {
      print_text(file, volume, use, goes, frees);
    }
    for (const auto& [key, row] : volume.rows) {
      const auto& [day, topic] = key;
      topics_[topic].add(row);
      if (options_.format == OutputFormat::json) {
        begin_line(json_, "usage");
        json_.field("file", file.shown);
        json_.field("day", day);
        json_.field("topic", topic);
        json_.field("messages", row.messages);
        json_.field("bytes", row.bytes);
        write_json(true);
      } else {
        std::string line = "    " + day + "  ";
        append_name(line, topic);
        output_.line(line + fmt::format(" {:>12} {:>12}\n", row.messages, size_text(row.bytes)));
      }
    }
  }

  void print_text(const scan::MappedFile& file, const FileVolume& volume, const FileUse& use, bool goes,
                  std::int64_t frees) {
    std::string line;
    append_visible(line, file.shown);
    fmt::format_to(std::back_inserter(line), "  {}, {} messages with {}", size_text(file.size),
                   volume.all.messages, size_text(volume.all.bytes));
    if (volume.gap_bytes > 0) line += fmt::format(", {} that are no record", size_text(volume.gap_bytes));
    line += goes ? fmt::format("; frees {}, {} with all before it", size_text(frees), size_text(freed_))
                 : "; is written to and stays";
    output_.line(line + '\n', false);
    line = use.behind.empty() ? "    every group has passed it\n" : "    still to be read: ";
    std::size_t shown = 0;
    for (const auto& [group, messages] : use.behind) {
      if (shown == kShownGroups) {
        line += fmt::format(", and {} more groups", use.behind.size() - shown);
        break;
      }
      if (shown++ > 0) line += ", ";
      append_visible(line, group);
      line += fmt::format(" {}", messages);
    }
    if (!use.behind.empty()) line += '\n';
    output_.line(line, false);
  }

  static void append_name(std::string& line, std::string_view name) {
    constexpr std::size_t kWidth = 48;
    const std::size_t at = line.size();
    append_visible(line, name);
    if (line.size() - at < kWidth) line.append(kWidth - (line.size() - at), ' ');
  }

  void print_total() {
    Volume all;
    for (const auto& [topic, volume] : topics_) all.add(volume);
    std::vector<std::pair<std::string, Volume>> sorted(topics_.begin(), topics_.end());
    std::ranges::sort(sorted, [](const auto& a, const auto& b) {
      return a.second.bytes != b.second.bytes ? a.second.bytes > b.second.bytes : a.first < b.first;
    });
    if (options_.format == OutputFormat::json) {
      for (const auto& [topic, volume] : sorted) {
        begin_line(json_, "usageTopic");
        json_.field("topic", topic);
        json_.field("messages", volume.messages);
        json_.field("bytes", volume.bytes);
        write_json(false);
      }
      return;
    }
    output_.line(fmt::format("all files: {} messages with {}\n", all.messages, size_text(all.bytes)), false);
    for (const auto& [topic, volume] : sorted) {
      std::string line =
          fmt::format("    {:>10}  ", fmt::format("{:.1f} %", 100.0 * static_cast<double>(volume.bytes) /
                                                                  static_cast<double>(all.bytes)));
      append_name(line, topic);
      output_.line(line + fmt::format(" {:>12} {:>12}\n", volume.messages, size_text(volume.bytes)), false);
    }
  }

  void write_json(bool counts) {
    end_line(json_);
    output_.line(json_.text(), counts);
    json_.clear();
  }

  const DumpInput& input_;
  const DumpOptions& options_;
  DumpSummary& summary_;
  LineOutput output_;
  DumpQueueTable queues_;
  const std::vector<scan::MappedFile>& files_;
  LogVolume volume_;
  std::vector<FileUse> use_;
  std::map<std::string, Volume> topics_;
  std::int64_t freed_ = 0;
  json::JsonLine json_;
};

}  // namespace

Result<DumpSummary> dump_usage(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  UsageDump(input, options, summary, out).run();
  return summary;
}

}  // namespace rmq::forensics
