#include "libstore/forensics/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "libstore/base/parallel.h"
#include "libstore/forensics/compare_queues.h"
#include "libstore/forensics/dump_record.h"
#include "libstore/forensics/fault_recorder.h"
#include "libstore/format/message_properties.h"
#include "libstore/recovery/bridge.h"
#include "libstore/rocks/queue_files.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kChunk = 4 << 20;
constexpr std::int64_t kMaxStateFile = 256 << 20;

using Sink = std::function<void(const Difference&)>;

// A log as one range of offsets, whatever files it lies in.
class LogBytes {
 public:
  LogBytes(const io::ReadFileSystem& files, const scan::StoreSurvey& survey)
      : files_(files), survey_(survey) {}

  // Fills `out` from the log's offset on; `present` tells which parts a file holds and could be read.
  struct Part {
    std::int64_t from = 0;
    std::int64_t to = 0;
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> read(std::int64_t offset, std::span<std::byte> out) {
    std::vector<Part> present;
    const std::int64_t end = offset + std::ssize(out);
    std::ranges::fill(out, std::byte{0});
    for (const scan::MappedFile* file = file_of(offset); file != nullptr && file->start < end;
         file = next(*file)) {
      const std::int64_t from = std::max(offset, file->start);
      const std::int64_t to = std::min(end, file_end(*file));
      if (to <= from || !open(*file)) continue;
      const auto into =
          out.subspan(static_cast<std::size_t>(from - offset), static_cast<std::size_t>(to - from));
      const auto got = file_->read_at(from - file->start, into);
      if (!got || static_cast<std::int64_t>(*got) < to - from) continue;
      if (!present.empty() && present.back().to == from) {
        present.back().to = to;
      } else {
        present.push_back({from, to});
      }
    }
    return present;
  }

  // The last file that begins at `offset` or before, else the first behind it.
  [[nodiscard]] const scan::MappedFile* file_of(std::int64_t offset) const {
    const auto& files = survey_.commit_log.files;
    const auto after = std::ranges::upper_bound(files, offset, {}, &scan::MappedFile::start);
    if (after != files.begin()) return &*std::prev(after);
    return after == files.end() ? nullptr : &*after;
  }
  [[nodiscard]] const scan::MappedFile* next(const scan::MappedFile& file) const {
    const auto& files = survey_.commit_log.files;
    const auto after = std::ranges::upper_bound(files, file.start, {}, &scan::MappedFile::start);
    return after == files.end() ? nullptr : &*after;
  }
  // Files may overlap: then the later one counts.
  [[nodiscard]] std::int64_t file_end(const scan::MappedFile& file) const {
    const scan::MappedFile* const after = next(file);
    const std::int64_t end = file.start + file.size;
    return after == nullptr ? end : std::min(end, after->start);
  }

 private:
  bool open(const scan::MappedFile& file) {
    if (open_ != &file) {
      auto opened = files_.open(file.path);
      file_ = opened ? *std::move(opened) : nullptr;
      open_ = &file;
    }
    return file_ != nullptr;
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const scan::MappedFile* open_ = nullptr;
  std::unique_ptr<io::ReadFile> file_;
};

// What stands in a log from some offset on, item by item, over its files and what is missing between them.
class LogItems {
 public:
  enum class Kind { none, record, blank, gap, missing };

  // Begins with the item that holds `offset`: at the beginning of its file, where a record starts.
  LogItems(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, std::int64_t offset)
      : files_(files), survey_(survey), log_(files, survey), next_file_(log_.file_of(offset)) {
    if (next_file_ != nullptr) to_ = next_file_->start;
    do advance();
    while (kind_ != Kind::none && to_ <= offset);
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::int64_t from() const { return from_; }
  [[nodiscard]] std::int64_t to() const { return to_; }
  [[nodiscard]] bool stale() const { return stale_; }
  [[nodiscard]] bool unwritten() const { return unwritten_; }
  [[nodiscard]] const format::MessageView& message() const { return item_->message; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return item_->bytes; }

  void advance() {
    while (true) {
      item_ = walker_ ? walker_->next() : nullptr;
      if (item_ != nullptr && file_->start + item_->position < file_end_) return take();
      walker_.reset();
      if (next_file_ == nullptr) {
        kind_ = Kind::none;
        from_ = to_;
        return;
      }
      if (next_file_->start > to_) {
        set(Kind::missing, to_, next_file_->start);
        return;
      }
      file_ = std::exchange(next_file_, log_.next(*next_file_));
      file_end_ = log_.file_end(*file_);
      auto opened = files_.open(file_->path);
      if (!opened) {
        set(Kind::missing, file_->start, file_end_);
        return;
      }
      handle_ = *std::move(opened);
      scan::CommitLogWalker::Options walk;
      walk.records_start = file_->start;
      walk.file_size = survey_.commit_log.file_size;
      walk.dledger = survey_.commit_log_is_dledger;
      walker_.emplace(*handle_, walk);
    }
  }

 private:
  void set(Kind kind, std::int64_t from, std::int64_t to) {
    kind_ = kind;
    from_ = from;
    to_ = to;
    stale_ = unwritten_ = false;
  }
  void take() {
    const std::int64_t from = file_->start + item_->position;
    const bool record = item_->kind == scan::LogItemKind::record;
    set(record                                    ? Kind::record
        : item_->kind == scan::LogItemKind::blank ? Kind::blank
                                                  : Kind::gap,
        from, std::min(from + item_->length, file_end_));
    stale_ = item_->kind == scan::LogItemKind::gap && item_->look == scan::GapLook::stale;
    unwritten_ = item_->kind == scan::LogItemKind::unwritten;
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  LogBytes log_;
  const scan::MappedFile* next_file_;
  const scan::MappedFile* file_ = nullptr;
  std::int64_t file_end_ = 0;
  std::unique_ptr<io::ReadFile> handle_;
  std::optional<scan::CommitLogWalker> walker_;
  const scan::LogItem* item_ = nullptr;
  Kind kind_ = Kind::none;
  std::int64_t from_ = 0;
  std::int64_t to_ = 0;
  bool stale_ = false;
  bool unwritten_ = false;
};

// Where the log begins, and where what was written of it ends: damage at the end counts, records from before
// a truncation do not.
CompareSummary::Log extent_of(const io::ReadFileSystem& files, const scan::StoreSurvey& survey) {
  const auto& log = survey.commit_log.files;
  if (log.empty()) return {};
  CompareSummary::Log extent{log.front().start, log.front().start};
  for (auto file = log.rbegin(); file != log.rend(); ++file) {
    for (LogItems items(files, survey, file->start); items.kind() != LogItems::Kind::none; items.advance()) {
      if (!items.unwritten() && !items.stale() && items.kind() != LogItems::Kind::missing)
        extent.end = std::max(extent.end, items.to());
    }
    if (extent.end > log.front().start) break;
  }
  return extent;
}

// Which part of a record a byte belongs to.
std::string_view part_of(const format::MessageView& message, std::span<const std::byte> bytes,
                         std::int64_t at) {
  static constexpr std::array<std::pair<std::int64_t, std::string_view>, 10> kFields{{{4, "total size"},
                                                                                      {8, "magic"},
                                                                                      {12, "body CRC"},
                                                                                      {16, "queue id"},
                                                                                      {20, "flag"},
                                                                                      {28, "queue offset"},
                                                                                      {36, "physical offset"},
                                                                                      {40, "system flag"},
                                                                                      {48, "born timestamp"},
                                                                                      {56, "born host"}}};
  for (const auto& [end, name] : kFields) {
    if (at < end) return name;
  }
  const std::int64_t properties = std::ssize(bytes) - std::ssize(message.properties);
  const std::int64_t topic = properties - 2 - std::ssize(message.topic);  // PROPLEN between them
  if (at >= properties) return "properties";
  if (at >= topic && at < properties - 2) return "topic";
  if (!message.body.empty() && at >= message.body.data() - bytes.data() && at < topic - 2) return "body";
  return "header";
}

class LogComparison {
 public:
  LogComparison(const CompareSide& first, const CompareSide& second, const CompareOptions& options,
                CompareSummary& summary, const Sink& sink)
      : first_(first), second_(second), options_(options), summary_(summary), sink_(sink) {}

  void run(std::int64_t from, std::int64_t to) {
    std::vector<Piece> chunks;
    for (const Piece& piece : pieces(from, to)) {
      summary_.bytes_expected += piece.to - piece.from;
      for (std::int64_t at = piece.from; at < piece.to;) {
        const std::int64_t end = std::min((at / kChunk + 1) * kChunk, piece.to);
        chunks.push_back({at, end});
        at = end;
      }
    }
    std::vector<std::uint8_t> differs(chunks.size());
    std::atomic<std::int64_t> compared = 0;
    parallel_for(options_.jobs, chunks.size(), options_.cancelled, [&](std::size_t, std::size_t item) {
      const Piece& chunk = chunks[item];
      differs[item] = same(chunk.from, chunk.to) ? 0 : 1;
      compared += chunk.to - chunk.from;
      if (options_.progress != nullptr) *options_.progress += chunk.to - chunk.from;
    });
    summary_.bytes_compared = compared;
    for (std::size_t first = 0; first < chunks.size() && !cancelled();) {
      std::size_t last = first;
      while (differs[last] != 0 && last + 1 < chunks.size() && differs[last + 1] != 0 &&
             chunks[last + 1].from == chunks[last].to) {
        ++last;
      }
      if (differs[first] != 0) resolve(chunks[first].from, chunks[last].to);
      first = last + 1;
    }
    close_range();
  }

 private:
  using Kind = LogItems::Kind;

  struct Piece {
    std::int64_t from = 0;
    std::int64_t to = 0;
  };

  [[nodiscard]] bool cancelled() const { return options_.cancelled && options_.cancelled(); }

  // The parts of a range that a file of either side holds: names of files may lie far apart.
  [[nodiscard]] std::vector<Piece> pieces(std::int64_t from, std::int64_t to) const {
    std::vector<Piece> held;
    for (const CompareSide* side : {&first_, &second_}) {
      for (const scan::MappedFile& file : side->survey.commit_log.files) {
        const Piece piece{std::max(file.start, from), std::min(file.start + file.size, to)};
        if (piece.to > piece.from) held.push_back(piece);
      }
    }
    std::ranges::sort(held, {}, &Piece::from);
    std::vector<Piece> joined;
    for (const Piece& piece : held) {
      if (!joined.empty() && piece.from <= joined.back().to) {
        joined.back().to = std::max(joined.back().to, piece.to);
      } else {
        joined.push_back(piece);
      }
    }
    return joined;
  }

  [[nodiscard]] bool same(std::int64_t from, std::int64_t to) const {
    thread_local std::vector<std::byte> a;
    thread_local std::vector<std::byte> b;
    a.resize(static_cast<std::size_t>(to - from));
    b.resize(a.size());
    const auto there = LogBytes(first_.files, first_.survey).read(from, a);
    if (there != LogBytes(second_.files, second_.survey).read(from, b)) return false;
    return a == b;
  }

  // What one item of a side met on the other.
  struct Met {
    bool record = false;
    bool hole = false;  // bytes that are no record, or no file
    bool stand_in = false;
  };

  // Walks both logs over a range with a difference in it.
  void resolve(std::int64_t from, std::int64_t to) {
    LogItems a(first_.files, first_.survey, from);
    LogItems b(second_.files, second_.survey, from);
    Met of_a;
    Met of_b;
    while ((a.kind() != Kind::none && a.from() < to) || (b.kind() != Kind::none && b.from() < to)) {
      if (cancelled()) return;
      const bool a_there = a.kind() != Kind::none && a.from() < to;
      const bool b_there = b.kind() != Kind::none && b.from() < to;
      if (a_there && b_there && a.from() == b.from() && a.to() == b.to() && a.kind() == b.kind()) {
        compare_same_place(a, b);
        a.advance();
        b.advance();
        of_a = of_b = {};
        continue;
      }
      if (a_there && b_there && a.from() < b.to() && b.from() < a.to()) {
        meet(of_a, b);
        meet(of_b, a);
      }
      const bool a_ends = a_there && (!b_there || a.to() <= b.to());
      const bool b_ends = b_there && (!a_there || b.to() <= a.to());
      if (a_ends) {
        alone(a, of_a, true);
        a.advance();
        of_a = {};
      }
      if (b_ends) {
        alone(b, of_b, false);
        b.advance();
        of_b = {};
      }
    }
  }

  static void meet(Met& met, const LogItems& other) {
    met.record = met.record || other.kind() == Kind::record;
    met.hole = met.hole || other.kind() == Kind::gap || other.kind() == Kind::missing;
    if (other.kind() == Kind::record) {
      met.stand_in =
          met.stand_in || recovery::stands_for_lost_bytes(other.message()) != recovery::StandIn::no;
    }
  }

  void compare_same_place(const LogItems& a, const LogItems& b) {
    if (a.kind() == Kind::record) {
      if (first_.survey.commit_log_is_dledger) unlike_bytes(a.from() - format::kDledgerEntryHeaderSize, a.from());
      const auto [at, other] = std::ranges::mismatch(a.bytes(), b.bytes());
      if (at == a.bytes().end()) return;
      const std::int64_t place = at - a.bytes().begin();
      Difference difference = about(DifferenceKind::record, a);
      difference.first_byte = a.from() + place;
      const bool first_stands_in = recovery::stands_for_lost_bytes(a.message()) != recovery::StandIn::no;
      const bool second_stands_in = recovery::stands_for_lost_bytes(b.message()) != recovery::StandIn::no;
      if (first_stands_in != second_stands_in) {
        difference = about(DifferenceKind::record, first_stands_in ? b : a);
        difference.first_byte = a.from() + place;
        difference.message =
            fmt::format("a message in the {} store; in the {} a placeholder stands where it was lost",
                        first_stands_in ? "second" : "first", first_stands_in ? "first" : "second");
      } else {
        difference.message = fmt::format("the records differ from byte {} on, in the {}", place,
                                         part_of(a.message(), a.bytes(), place));
      }
      ++summary_.records;
      tell(std::move(difference), a.to());
    } else if (a.kind() == Kind::gap) {
      unlike_bytes(a.from(), a.to());
    }
    // Of a BLANK only the header is defined, and it says no more than its place.
  }

  // An item that the other side does not have.
  void alone(const LogItems& item, const Met& met, bool first) {
    if (item.kind() == Kind::gap || item.kind() == Kind::missing) {
      // Told by the records that the other side has there.
      if (!met.record) unlike_bytes(item.from(), item.to());
      return;
    }
    if (item.kind() != Kind::record) return;
    const std::string_view other = first ? "second" : "first";
    const bool damaged = met.hole && !met.record;
    Difference difference =
        about(damaged ? (first ? DifferenceKind::damaged_second : DifferenceKind::damaged_first)
                      : (first ? DifferenceKind::only_first : DifferenceKind::only_second),
              item);
    difference.first_byte = first_unlike(item.from(), item.to()).value_or(item.from());
    difference.message =
        damaged ? fmt::format("the {} store has bytes that are no record here, or no file", other)
        : met.stand_in
            ? fmt::format("in the {} store placeholders or fillers stand for lost bytes here", other)
            : fmt::format("the {} store has no record at this offset, but others around it", other);
    const bool stands_in = recovery::stands_for_lost_bytes(item.message()) != recovery::StandIn::no;
    if (stands_in)
      difference.message = fmt::format("stands for lost bytes; the {} store has other records here", other);
    ++(damaged ? (first ? summary_.damaged_second : summary_.damaged_first)
               : (first ? summary_.only_first : summary_.only_second));
    tell(std::move(difference), item.to());
  }

  // Bytes that are a record on neither side.
  void unlike_bytes(std::int64_t from, std::int64_t to) {
    if (const auto at = first_unlike(from, to)) extend_range(*at, from, to);
  }

  [[nodiscard]] std::optional<std::int64_t> first_unlike(std::int64_t from, std::int64_t to) const {
    LogBytes first(first_.files, first_.survey);
    LogBytes second(second_.files, second_.survey);
    std::vector<std::byte> a;
    std::vector<std::byte> b;
    for (const Piece& piece : pieces(from, to)) {
      for (std::int64_t at = piece.from; at < piece.to; at += kChunk) {
        a.resize(static_cast<std::size_t>(std::min(kChunk, piece.to - at)));
        b.resize(a.size());
        const auto a_there = first.read(at, a);
        const auto b_there = second.read(at, b);
        const auto unlike = std::ranges::mismatch(a, b).in1;
        std::int64_t found = unlike == a.end() ? to : at + (unlike - a.begin());
        if (a_there != b_there) found = std::min(found, first_unlike_part(at, a_there, b_there));
        if (found < to) return found;
      }
    }
    return std::nullopt;
  }

  // Where one side has a file, and the other none.
  static std::int64_t first_unlike_part(std::int64_t from, const std::vector<LogBytes::Part>& a,
                                        const std::vector<LogBytes::Part>& b) {
    for (std::size_t i = 0;; ++i) {
      if (i >= a.size() || i >= b.size()) {
        const auto& longer = a.size() > b.size() ? a : b;
        return i < longer.size() ? longer[i].from : from;
      }
      if (a[i].from != b[i].from) return std::min(a[i].from, b[i].from);
      if (a[i].to != b[i].to) return std::min(a[i].to, b[i].to);
    }
  }

  static Difference about(DifferenceKind kind, const LogItems& item) {
    const format::MessageView& message = item.message();
    Difference difference;
    difference.kind = kind;
    difference.from = item.from();
    difference.to = item.to();
    difference.topic = message.topic;
    difference.queue_id = message.queue_id;
    difference.queue_offset = message.queue_offset;
    difference.uniq_key = format::store_properties(message.properties).uniq_key.value_or("");
    difference.message_id = format::offset_message_id(message);
    return difference;
  }

  void tell(Difference difference, std::int64_t to) {
    extend_range(difference.first_byte, difference.from, to);
    ++range_->messages;
    if (++told_ <= options_.most_records) sink_(difference);
  }

  void extend_range(std::int64_t first_byte, std::int64_t from, std::int64_t to) {
    if (range_ && from > range_->to) close_range();
    if (!range_) {
      range_.emplace();
      range_->kind = DifferenceKind::range;
      range_->from = from;
      range_->first_byte = first_byte;
    }
    range_->from = std::min(range_->from, from);
    range_->first_byte = std::min(range_->first_byte, first_byte);
    range_->to = std::max(range_->to, to);
    if (summary_.first_divergence < 0 || first_byte < summary_.first_divergence)
      summary_.first_divergence = first_byte;
  }

  void close_range() {
    if (!range_) return;
    ++summary_.ranges;
    range_->message =
        fmt::format("the logs differ from byte {} on; {} in the range", range_->first_byte,
                    range_->messages == 1 ? "1 record" : fmt::format("{} records", range_->messages));
    sink_(*range_);
    range_.reset();
  }

  const CompareSide& first_;
  const CompareSide& second_;
  const CompareOptions& options_;
  CompareSummary& summary_;
  const Sink& sink_;
  std::optional<Difference> range_;
  std::int64_t told_ = 0;
};

// What one log has in front of the other, and behind it.
void compare_ends(const CompareSide& first, const CompareSide& second, const CompareOptions& options,
                  const CompareSummary& summary, const Sink& sink) {
  if (summary.first.begin != summary.second.begin) {
    const bool first_later = summary.first.begin > summary.second.begin;
    Difference difference;
    difference.kind = DifferenceKind::begin;
    difference.from = std::min(summary.first.begin, summary.second.begin);
    difference.to = std::max(summary.first.begin, summary.second.begin);
    difference.message = fmt::format("the {} store's log begins later, as when files have expired",
                                     first_later ? "first" : "second");
    sink(difference);
  }
  if (summary.first.end == summary.second.end) return;
  const bool first_earlier = summary.first.end < summary.second.end;
  const CompareSide& longer = first_earlier ? second : first;
  Difference difference;
  difference.kind = DifferenceKind::end;
  difference.from = std::min(summary.first.end, summary.second.end);
  difference.to = std::max(summary.first.end, summary.second.end);
  for (LogItems items(longer.files, longer.survey, difference.from); items.kind() != LogItems::Kind::none;
       items.advance()) {
    if (items.kind() == LogItems::Kind::record && items.from() >= difference.from) ++difference.messages;
    if (options.cancelled && options.cancelled()) break;
  }
  difference.message =
      fmt::format("the {} store's log ends {} bytes earlier, {} short", first_earlier ? "first" : "second",
                  difference.to - difference.from,
                  difference.messages == 1 ? "1 message" : fmt::format("{} messages", difference.messages));
  sink(difference);
}

// State files are each broker's own; that they differ is worth knowing.
std::vector<std::string> unlike_config(const CompareSide& first, const CompareSide& second) {
  std::vector<std::string> names;
  for (const scan::StoreFile& file : first.survey.config_files) {
    const auto other = std::ranges::find(second.survey.config_files, file.name, &scan::StoreFile::name);
    if (!file.name.ends_with(".json") || other == second.survey.config_files.end()) continue;
    const auto a = io::read_all(first.files, file.path, kMaxStateFile);
    const auto b = io::read_all(second.files, other->path, kMaxStateFile);
    if (a && b && *a != *b) names.push_back(file.name);
  }
  return names;
}

}  // namespace

std::string_view to_string(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::record: return "record";
    case DifferenceKind::only_first: return "onlyFirst";
    case DifferenceKind::only_second: return "onlySecond";
    case DifferenceKind::damaged_first: return "damagedFirst";
    case DifferenceKind::damaged_second: return "damagedSecond";
    case DifferenceKind::range: return "range";
    case DifferenceKind::begin: return "begin";
    case DifferenceKind::end: return "end";
    case DifferenceKind::queue: return "queue";
  }
  return "?";
}

std::int64_t compare_bytes_expected(const scan::StoreSurvey& first, const scan::StoreSurvey& second) {
  const auto begin = [](const scan::StoreSurvey& survey) { return survey.commit_log.files.front().start; };
  const auto end = [](const scan::StoreSurvey& survey) {
    return survey.commit_log.files.back().start + survey.commit_log.files.back().size;
  };
  if (first.commit_log.files.empty() || second.commit_log.files.empty()) return 0;
  return std::max<std::int64_t>(std::min(end(first), end(second)) - std::max(begin(first), begin(second)), 0);
}

CompareSummary run_compare(const CompareSide& first_store, const CompareSide& second_store,
                           const CompareOptions& options,
                           const std::function<void(const Difference&)>& sink) {
  const FaultRecorder first_files(first_store.files);
  const FaultRecorder second_files(second_store.files);
  const rocks::QueueFiles first_queues(first_files, first_store.survey, options.rocks_queues);
  const rocks::QueueFiles second_queues(second_files, second_store.survey, options.rocks_queues);
  const CompareSide first{first_queues, first_queues.survey()};
  const CompareSide second{second_queues, second_queues.survey()};
  CompareSummary summary;
  bool equal = true;
  const Sink counting = [&](const Difference& difference) {
    equal = false;
    sink(difference);
  };
  summary.first = extent_of(first.files, first.survey);
  summary.second = extent_of(second.files, second.survey);
  compare_ends(first, second, options, summary, counting);
  const std::int64_t from = std::max(summary.first.begin, summary.second.begin);
  const std::int64_t to = std::min(summary.first.end, summary.second.end);
  LogComparison(first, second, options, summary, counting).run(from, to);
  if (!options.cancelled || !options.cancelled())
    compare_queues(first, second, from, to, options, summary, counting);
  for (const auto& [queues, which] : {std::pair{&first_queues, "first"}, {&second_queues, "second"}}) {
    for (const std::string& fault : queues->faults())
      summary.faults.push_back(
          fmt::format("the RocksDB with the consume queues of the {} store: {}", which, fault));
  }
  summary.config = unlike_config(first, second);
  for (const FaultRecorder* files : {&first_files, &second_files}) {
    for (std::string& fault : files->faults()) summary.faults.push_back(std::move(fault));
  }
  summary.read_errors = !summary.faults.empty();
  summary.cancelled = options.cancelled && options.cancelled();
  summary.equal =
      equal && !summary.read_errors && !summary.cancelled && summary.bytes_compared == summary.bytes_expected;
  return summary;
}

}  // namespace rmq::forensics
