#include "libstore/forensics/follow.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/growing_log.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::forensics {
namespace {

constexpr std::string_view kLooksExpired = "expired";
constexpr std::size_t kWriteSize = 256 << 10;
constexpr std::int64_t kRelistMs = 2000;

// Lines on their way out: of those that were there when following began only the last, if --tail asks for it.
class FollowOutput {
 public:
  FollowOutput(const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : options_(options), summary_(summary), out_(out), keeping_(options.filter.tail.has_value()) {}

  void title() {
    if (options_.format == OutputFormat::text) pending_ = RecordText::header();
  }
  // False: nothing more is wanted.
  bool line(std::string_view text, bool is_record) {
    if (keeping_) {
      tail_.emplace_back(text, is_record);
      if (std::ssize(tail_) > *options_.filter.tail) tail_.pop_front();
      return true;
    }
    if (is_record) {
      if (full()) return false;
      ++summary_.lines;
    }
    pending_ += text;
    return (pending_.size() < kWriteSize || flush()) && !full();
  }
  // The end of what was there at the beginning.
  bool end_of_tail() {
    if (!std::exchange(keeping_, false)) return true;
    for (const auto& [text, is_record] : tail_) {
      pending_ += text;
      if (is_record) ++summary_.lines;
    }
    tail_.clear();
    return flush();
  }
  bool flush() {
    if (pending_.empty()) return true;
    const bool written = out_.write(pending_);
    pending_.clear();
    return written;
  }
  [[nodiscard]] bool full() const {
    return options_.filter.limit && summary_.lines >= *options_.filter.limit;
  }

 private:
  const DumpOptions& options_;
  DumpSummary& summary_;
  ByteSink& out_;
  bool keeping_;
  std::string pending_;
  std::deque<std::pair<std::string, bool>> tail_;
};

class Follower {
 public:
  Follower(const DumpInput& input, const DumpOptions& options, const FollowTimes& times, Waiter& waiter,
           RecordSelector selector, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(options),
        times_(times),
        waiter_(waiter),
        selector_(std::move(selector)),
        summary_(summary),
        output_(options, summary, out),
        json_(options, nullptr),
        text_(options, nullptr),
        directories_(input.survey.config.commit_log_directories),
        poll_ms_(times.shortest_poll_ms) {
    if (directories_.empty()) directories_.push_back(io::join_path(input.survey.root, "commitlog"));
  }

  void run() {
    list();
    begin();
    output_.title();
    more_ = output_.flush();
    while (more_ && !input_.observer.cancelled() &&
           !(options_.filter.to && position_ >= *options_.filter.to)) {
      const std::int64_t before = position_;
      const bool moved = step();
      input_.observer.advance(position_ - before);
      if (moved) {
        poll_ms_ = times_.shortest_poll_ms;
        continue;
      }
      if (!std::exchange(file_vanished_, false) && candidate_.empty()) {
        catching_up_ = false;
        more_ = more_ && output_.end_of_tail();
      }
      more_ = more_ && output_.flush();
      if (!more_ || input_.observer.cancelled()) break;
      waiter_.wait_ms(candidate_.empty() ? poll_ms_ : std::min(poll_ms_, times_.settle_ms));
      poll_ms_ = std::min(poll_ms_ * 2, times_.longest_poll_ms);
    }
    (void)(output_.end_of_tail() && output_.flush());
    summary_.bytes_checked = summary_.bytes_expected = covered_;
    if (covered_ > 0) {
      summary_.notes.push_back(fmt::format("followed the log from {} to {}", began_, position_));
    } else {
      summary_.notes.emplace_back("the log had nothing to print");
    }
  }

 private:
  struct LogFileNow {
    std::string path;
    std::string name;
    std::int64_t start = 0;
    std::int64_t size = 0;
  };

  // ---- which files there are

  void list() {
    std::vector<LogFileNow> files;
    for (const std::string& directory : directories_) {
      const auto entries = input_.files.list(directory);
      if (!entries) {
        if (entries.error().code != ErrorCode::not_found) fault(entries.error().message());
        continue;
      }
      for (const io::DirectoryEntry& entry : *entries) {
        const auto start = format::parse_mapped_file_name(entry.name);
        if (!start || *start > scan::kLargestFileStart || entry.kind == io::EntryKind::directory) continue;
        files.push_back({io::join_path(directory, entry.name), entry.name, *start, entry.size});
      }
    }
    std::ranges::sort(files, {}, &LogFileNow::start);
    files_ = std::move(files);
    listed_ms_ = waiter_.now_ms();
  }

  void fault(std::string sentence) {
    if (std::ranges::find(summary_.faults, sentence) == summary_.faults.end())
      summary_.faults.push_back(std::move(sentence));
  }

  // The file that holds a position; nullptr when none does.
  [[nodiscard]] const LogFileNow* file_of(std::int64_t position) const {
    const auto after = std::ranges::upper_bound(files_, position, {}, &LogFileNow::start);
    if (after == files_.begin()) return nullptr;
    const LogFileNow& file = *std::prev(after);
    return position < file.start + file.size ? &file : nullptr;
  }
  [[nodiscard]] const LogFileNow* next_file(std::int64_t position) const {
    const auto after = std::ranges::upper_bound(files_, position, {}, &LogFileNow::start);
    return after == files_.end() ? nullptr : &*after;
  }

  // ---- where to begin

  void begin() {
    if (!files_.empty()) position_ = files_.front().start;
    if (options_.filter.from) {
      const LogFileNow* file = file_of(*options_.filter.from);
      position_ = std::max(position_, file != nullptr ? file->start : *options_.filter.from);
    }
    if (options_.filter.tail) position_ = std::max(position_, tail_begin());
    began_ = position_;
  }

  // The file from which on there are as many records as --tail asks for.
  [[nodiscard]] std::int64_t tail_begin() {
    std::int64_t wanted = std::max<std::int64_t>(*options_.filter.tail, 1);
    std::int64_t begin = files_.empty() ? 0 : files_.back().start + files_.back().size;
    for (auto file = files_.rbegin(); file != files_.rend() && wanted > 0 && !input_.observer.cancelled();
         ++file) {
      begin = file->start;
      const auto opened = input_.files.open(file->path);
      if (!opened) continue;
      scan::CommitLogWalker walker(**opened, walk_options(file->start, 0));
      while (const auto item = walker.next()) {
        if (item->kind == scan::LogItemKind::record && selector_.selects(item->message)) --wanted;
      }
    }
    return begin;
  }

  [[nodiscard]] scan::CommitLogWalker::Options walk_options(std::int64_t start, std::int64_t from) const {
    scan::CommitLogWalker::Options walk;
    walk.records_start = start;
    walk.from = from;
    walk.file_size = input_.survey.commit_log.file_size;
    return walk;
  }

  // ---- one look

  // True when there may be more to see at once.
  bool step() {
    if (file_ == nullptr && !open()) return false;
    if (idle_ && waiter_.now_ms() - listed_ms_ >= kRelistMs && !look_again()) return false;
    const std::int64_t before = position_;
    const LogFileNow* const next = next_file(start_);
    if (next != nullptr && position_ < next->start && has_begun(*next)) {
      walk_to_the_end(next->start);
    } else {
      take_new_records();
    }
    idle_ = position_ == before;
    if (!idle_) stuck_since_ms_.reset();
    return !idle_;
  }

  bool open() {
    const LogFileNow* file = file_of(position_);
    if (file == nullptr) {
      list();
      file = file_of(position_);
    }
    if (file == nullptr) {
      const LogFileNow* const next = next_file(position_);
      // Whoever is slower than the cleaner finds the log to begin behind the place where he was.
      if (next == nullptr || (next != &files_.front() && !has_begun(*next))) return false;
      if (covered_ > 0) {
        gap(position_, next->start, next == &files_.front() ? kLooksExpired : kLooksMissing, 0, next->name);
      } else {
        began_ = next->start;
      }
      position_ = next->start;
      file = next;
    }
    auto opened = input_.files.open(file->path);
    if (!opened) {
      if (opened.error().code == ErrorCode::not_found) {
        files_.clear();
        file_vanished_ = true;
      } else {
        fault(opened.error().message());
      }
      return false;
    }
    file_ = *std::move(opened);
    start_ = file->start;
    name_ = file->name;
    last_.reset();
    candidate_.clear();
    searched_zeros_ = !catching_up_;
    return true;
  }

  // From time to time while nothing comes: new files, and whether this one is still the one that was opened.
  bool look_again() {
    list();
    const LogFileNow* const file = file_of(position_);
    if (file == nullptr || file->start != start_) return true;
    auto opened = input_.files.open(file->path);
    if (opened) file_ = *std::move(opened);
    if (!last_ || header_at(last_->position) == last_->header) return true;
    summary_.found = false;
    summary_.notes.push_back(fmt::format(
        "the record at {} is no longer there: the log was cut, as a recovery does; following ends",
        start_ + last_->position));
    more_ = false;
    return false;
  }

  [[nodiscard]] bool has_begun(const LogFileNow& file) const {
    const auto opened = input_.files.open(file.path);
    return opened && forensics::has_begun(**opened);
  }

  // This file will not change any more.
  void walk_to_the_end(std::int64_t end) {
    scan::CommitLogWalker walker(*file_, walk_options(start_, position_ - start_));
    while (const auto item = walker.next()) {
      const std::int64_t from = start_ + item->position;
      if (from >= end) break;
      if (item->kind == scan::LogItemKind::unwritten)
        gap(from, std::min(from + item->length, end), to_string(scan::GapLook::zeros), 0, name_);
      if (!take(*item) || input_.observer.cancelled()) return;
    }
    position_ = end;
    file_.reset();
  }

  void take_new_records() {
    const std::int64_t from = position_ - start_;
    const VisibleRecords seen = visible_records(*file_, from);
    if (seen.settled > from) {
      const FilePrefix whole(*file_, seen.settled);
      scan::CommitLogWalker walker(whole, walk_options(start_, from));
      while (const auto item = walker.next()) {
        if (!take(*item) || input_.observer.cancelled()) return;
      }
      return;
    }
    if (seen.blank) {
      roll();
    } else if (seen.last_size > 0) {
      take_last(from, seen.last_size);
    } else if (seen.other_bytes || !searched_zeros_) {
      search(from, seen.other_bytes);
    }
  }

  void roll() {
    const LogFileNow* next = next_file(start_);
    if (next == nullptr) {
      list();
      next = next_file(start_);
    }
    const std::int64_t end = start_ + file_->size();
    covered_ += end - position_;
    position_ = next != nullptr ? std::max(next->start, position_) : end;
    if (next != nullptr && next->start > end) position_ = end;  // the gap between them is told when it is met
    file_.reset();
  }

  // The log's last record: nothing stands behind it that proves it whole.
  void take_last(std::int64_t from, std::int64_t size) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    const auto got = file_->read_at(from, bytes);
    if (!got || *got != bytes.size() || !looks_whole(bytes)) {
      candidate_.clear();
      return;
    }
    if (bytes != candidate_) {
      candidate_ = std::move(bytes);
      candidate_since_ms_ = waiter_.now_ms();
      return;
    }
    if (waiter_.now_ms() - candidate_since_ms_ < times_.settle_ms) return;
    const FilePrefix whole(*file_, from + size);
    scan::CommitLogWalker walker(whole, walk_options(start_, from));
    if (const auto item = walker.next()) (void)take(*item);
    candidate_.clear();
  }

  // Something that is no record stays one for long: damage, if records are found behind it. Zeros are where
  // the log goes on; only a log that was there before may have a hole.
  void search(std::int64_t from, bool bytes) {
    if (!stuck_since_ms_) stuck_since_ms_ = waiter_.now_ms();
    if (bytes && waiter_.now_ms() - *stuck_since_ms_ < times_.stuck_ms) return;
    stuck_since_ms_ = waiter_.now_ms();
    searched_zeros_ = true;
    scan::CommitLogWalker walker(*file_, walk_options(start_, from));
    const auto first = walker.next();
    if (first == nullptr || first->kind != scan::LogItemKind::gap) return;
    const scan::LogItem damage = *first;
    const auto second = walker.next();
    if (second == nullptr || second->kind != scan::LogItemKind::record) return;
    // What is behind was read later, and may have been written in between: then so was what is here.
    const VisibleRecords now = visible_records(*file_, from);
    if (now.settled == from && now.last_size == 0 && !now.blank) (void)take(damage);
  }

  // ---- output

  // Passes an item; false: nothing more is wanted.
  bool take(const scan::LogItem& item) {
    const std::int64_t offset = start_ + item.position;
    if (item.kind == scan::LogItemKind::record) {
      record(item, offset);
    } else if (item.kind == scan::LogItemKind::gap) {
      gap(offset, offset + item.length, to_string(item.look), item.stale_records, name_);
      if (item.look == scan::GapLook::unreadable)
        fault(fmt::format("could not read {} bytes at physical offset {}", item.length, offset));
    }
    position_ = std::max(position_, offset + item.length);
    covered_ += item.length;
    return more_;
  }

  void record(const scan::LogItem& item, std::int64_t offset) {
    last_ = {item.position, header_of(item.bytes)};
    const RecordFilter& filter = options_.filter;
    if ((filter.from && offset < *filter.from) || (filter.to && offset >= *filter.to)) return;
    if (!selector_.selects(item.message)) return;
    DumpRecord record;
    record.bytes = item.bytes;
    record.message = item.message;
    record.phy_offset = offset;
    record.file = name_;
    line(true, [&](auto& lines) { lines.line(out_of(lines), record); });
  }

  void gap(std::int64_t from, std::int64_t to, std::string_view looks_like, std::int32_t stale_records,
           std::string_view file) {
    const RecordFilter& filter = options_.filter;
    if ((filter.from && to <= *filter.from) || (filter.to && from >= *filter.to)) return;
    ++summary_.gaps;
    summary_.gap_bytes += to - from;
    const DumpGap gap{from, to, file, looks_like, stale_records};
    if (options_.format == OutputFormat::json) {
      gap_line(json_line_, gap);
    } else {
      text_.gap(text_line_, gap);
    }
    print(false);
  }

  template <class Print>
  void line(bool is_record, const Print& print_line) {
    if (options_.format == OutputFormat::json) {
      print_line(json_);
    } else {
      print_line(text_);
    }
    print(is_record);
  }
  json::JsonLine& out_of(RecordJson&) { return json_line_; }
  std::string& out_of(RecordText&) { return text_line_; }

  void print(bool is_record) {
    more_ =
        output_.line(options_.format == OutputFormat::json ? json_line_.text() : std::string_view(text_line_),
                     is_record) &&
        more_;
    json_line_.clear();
    text_line_.clear();
  }

  using Header = std::array<std::byte, format::kMinRecordSize>;
  static Header header_of(std::span<const std::byte> bytes) {
    Header header{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), header.size()), header.begin());
    return header;
  }
  [[nodiscard]] Header header_at(std::int64_t position) const {
    Header header{};
    (void)file_->read_at(position, header);
    return header;
  }

  struct Last {
    std::int64_t position = 0;  // in the open file
    Header header{};
  };

  const DumpInput& input_;
  const DumpOptions& options_;
  const FollowTimes& times_;
  Waiter& waiter_;
  RecordSelector selector_;
  DumpSummary& summary_;
  FollowOutput output_;
  RecordJson json_;
  RecordText text_;
  json::JsonLine json_line_;
  std::string text_line_;
  std::vector<std::string> directories_;

  std::vector<LogFileNow> files_;  // sorted by start, as listed last
  std::int64_t listed_ms_ = 0;
  std::unique_ptr<io::ReadFile> file_;  // stays readable when it expires
  std::int64_t start_ = 0;              // of the open file
  std::string name_;
  std::int64_t position_ = 0;  // physical offset: everything before it was passed
  std::int64_t began_ = 0;
  std::int64_t covered_ = 0;
  bool more_ = true;
  bool idle_ = false;
  bool file_vanished_ = false;  // between the listing and the opening
  bool catching_up_ = true;
  bool searched_zeros_ = false;
  std::int64_t poll_ms_;
  std::optional<Last> last_;          // the last record passed in the open file
  std::vector<std::byte> candidate_;  // the log's last record, as it was seen first
  std::int64_t candidate_since_ms_ = 0;
  std::optional<std::int64_t> stuck_since_ms_;
};

}  // namespace

Result<DumpSummary> follow_log(const DumpInput& input, const DumpOptions& options, const FollowTimes& times,
                               Waiter& waiter, ByteSink& out) {
  if (input.survey.single_file)
    return wrong_use("--follow needs a whole store; one file does not grow for ever");
  if (input.survey.commit_log_is_dledger) return wrong_use("--follow does not read DLedger logs");
  DumpSummary summary;
  TopicMatcher topics(options.filter);
  auto selector = RecordSelector::make(options.filter, topics);
  if (!selector) return std::move(selector).error();
  Follower(input, options, times, waiter, *std::move(selector), summary, out).run();
  return summary;
}

}  // namespace rmq::forensics
