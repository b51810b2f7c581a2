#include "libstore/carve/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "libstore/base/parallel.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/carve/record_reader.h"
#include "libstore/engine/message_store.h"
#include "libstore/format/abort_file.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/message_properties.h"
#include "libstore/json/json_writer.h"
#include "libstore/recovery/bridge.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::carve {
namespace {

constexpr std::int64_t kPiece = 1 << 20;
constexpr std::string_view kAside = "lost+found/carve";
constexpr std::int64_t kLongestHole =
    1'000'000;  // slots of a queue; more is a wrong queue offset, and no loss

Status remove_tree(io::FileSystem& files, const std::string& path) {
  RMQ_TRY(entries, files.list(path));
  for (const io::DirectoryEntry& entry : entries) {
    const std::string below = io::join_path(path, entry.name);
    RMQ_CHECK(entry.kind == io::EntryKind::directory ? remove_tree(files, below) : files.remove(below));
  }
  return files.remove(path);
}

// A file that grows.
class Appender {
 public:
  static Result<Appender> begin(io::FileSystem& files, const std::string& path) {
    RMQ_TRY(file, files.create(path, 0, {}));
    return Appender(std::move(file));
  }
  [[nodiscard]] std::int64_t size() const { return written_ + std::ssize(buffer_); }
  Status append(std::span<const std::byte> bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return std::ssize(buffer_) < kPiece ? Status() : write();
  }
  Status finish() {
    RMQ_CHECK(write());
    return file_->sync();
  }

 private:
  explicit Appender(std::unique_ptr<io::WriteFile> file) : file_(std::move(file)) {}
  Status write() {
    RMQ_CHECK(file_->write_at(written_, buffer_));
    written_ += std::ssize(buffer_);
    buffer_.clear();
    return {};
  }

  std::unique_ptr<io::WriteFile> file_;
  std::vector<std::byte> buffer_;
  std::int64_t written_ = 0;
};

// The same record for another place of the log.
std::vector<std::byte> moved(const format::MessageView& message, std::span<const std::byte> record,
                             std::int64_t to) {
  if (message.check_property_crc(record) ==
      format::MessageView::PropertyCrc::matches) {  // it covers the offset
    format::MessageRecord again = format::to_record(message);
    again.physical_offset = to;
    again.properties.resize(again.properties.rfind(format::kPropertyCrc32));
    again.append_property_crc = true;
    if (auto bytes = format::encode(again); bytes && bytes->size() == record.size()) return *std::move(bytes);
  }
  std::vector<std::byte> bytes(record.begin(), record.end());
  store_be(bytes.data() + format::kRecordPhysicalOffsetOffset, to);
  return bytes;
}

class Builder {
 public:
  Builder(io::FileSystem& files, const io::ReadFileSystem& from, const std::vector<Source>& sources,
          const Judgement& judgement, const Summary& summary, const BuildOptions& options)
      : files_(files),
        from_(from),
        sources_(sources),
        judgement_(judgement),
        log_(judgement.logs[options.log]),
        summary_(summary),
        options_(options),
        root_(io::join_path(options.out, kUnfinished)) {}

  Result<BuildReport> run() {
    RMQ_TRY(is_new, look_at_target());
    Status done = work();
    if (done) done = move_into_place();
    if (done) return std::move(report_);
    (void)remove_tree(files_, root_);
    if (is_new) (void)files_.remove(options_.out);
    return std::move(done).error();
  }

 private:
  [[nodiscard]] bool cancelled() const { return options_.cancelled && options_.cancelled(); }
  static Error stopped() { return Error{ErrorCode::cancelled, 0, "writing the store"}; }
  void advance(std::int64_t bytes) const {
    if (options_.advance) options_.advance(bytes);
  }

  // True where the directory is yet to be made.
  Result<bool> look_at_target() const {
    if (!log_.one_store)
      return wrong_use(fmt::format(
          "log {} is no log but what is left over: records of it claim the same places", options_.log + 1));
    const auto there = files_.list(options_.out);
    if (!there && there.error().code == ErrorCode::not_found && !files_.stat(options_.out)) return true;
    if (!there) return there.error();
    for (const io::DirectoryEntry& entry : *there) {
      const std::string path = io::join_path(options_.out, entry.name);
      if (entry.name == kUnfinished)
        return wrong_use(path + " is what a carve left that was killed; remove it, and run again");
      // What a new file system begins with.
      const auto below = files_.list(path);
      const bool is_empty = entry.name == recovery::kLostAndFound && below && below->empty();
      if (!is_empty) return wrong_use(options_.out + " is not empty; give a directory that is, or none");
    }
    return false;
  }

  Status work() {
    std::optional<std::string> refused;
    if (const auto size = choose_file_size(sources_, log_, options_.config.commit_log_file_size)) {
      report_.file_size = size->bytes;
      report_.why_file_size = size->why;
      RMQ_CHECK(begin());
      RMQ_CHECK(copy_log());
      RMQ_TRY(refusal, make_store());
      refused = std::move(refusal);
      if (!refused && has_holes_) refused = "slots of a queue are missing where nothing of the log is";
    } else {
      refused =
          options_.config.commit_log_file_size
              ? fmt::format("they do not fit into files of {} bytes", *options_.config.commit_log_file_size)
              : std::string("between them lies less than any record takes");
    }
    if (refused) {
      if (report_.file_size > 0) RMQ_CHECK(remove_tree(files_, root_));
      report_ = {};
      next_slots_.clear();
      report_.relocated = *refused;
      report_.file_size = options_.config.commit_log_file_size.value_or(kDefaultFileSize);
      report_.why_file_size = options_.config.commit_log_file_size ? "as asked for" : "the default";
      RMQ_CHECK(begin());
      RMQ_CHECK(lay_out_anew());
      RMQ_TRY(again, make_store());
      if (again) return wrong_use("what was found does not make a store: " + *again);
    }
    if (options_.derive_config) RMQ_CHECK(options_.derive_config(root_, summary_));
    return keep_the_rest();
  }

  // What every store has before recovery looks at it. The abort file: nothing is known of how it was closed.
  Status begin() {
    RMQ_CHECK(files_.make_directories(io::join_path(root_, "commitlog")));
    RMQ_CHECK(files_.replace(io::join_path(root_, format::kAbortFileName), as_bytes("0")));
    // Batch queues are told from others by their directories.
    for (const auto& [id, queue] : summary_.queues) {
      if (!queue.batch || id.first.find('/') != std::string::npos) continue;
      const std::string topic = io::join_path(io::join_path(root_, "batchconsumequeue"), id.first);
      RMQ_CHECK(files_.make_directories(io::join_path(topic, std::to_string(id.second))));
    }
    return {};
  }

  [[nodiscard]] std::string log_path(std::int64_t start) const {
    return io::join_path(io::join_path(root_, "commitlog"), format::mapped_file_name(start));
  }

  // ---- at their own offsets

  Status copy_log() {
    const std::int64_t size = report_.file_size;
    std::vector<std::pair<std::int64_t, std::vector<const Piece*>>> parts;  // by start of the file
    for (const Piece& piece : log_.pieces) {
      const std::int64_t start = piece.log_offset / size * size;
      if (parts.empty() || parts.back().first != start) parts.push_back({start, {}});
      parts.back().second.push_back(&piece);
    }
    std::vector<std::string> paths;
    for (std::int64_t start = parts.front().first; start <= parts.back().first; start += size)
      paths.push_back(log_path(start));
    std::vector<io::NewFile> made;
    for (const std::string& path : paths) made.push_back({path, size, {}});
    for (const Status& status : files_.create_sparse(made)) RMQ_CHECK(status);
    std::vector<Status> done(parts.size());
    parallel_for(options_.jobs, parts.size(), options_.cancelled,
                 [&](std::size_t, std::size_t i) { done[i] = copy_file(parts[i].first, parts[i].second); });
    if (cancelled()) return stopped();
    for (const Status& status : done) RMQ_CHECK(status);
    return {};
  }

  Status copy_file(std::int64_t start, const std::vector<const Piece*>& pieces) {
    RMQ_TRY(file, files_.open_for_write(log_path(start)));
    std::vector<std::byte> bytes;
    std::int64_t newest = 0;
    std::unique_ptr<io::ReadFile> source;
    std::size_t source_number = sources_.size();
    for (const Piece* piece : pieces) {
      if (piece->source != source_number) {
        RMQ_TRY(opened, from_.open(sources_[piece->source].path));
        source = std::move(opened);
        source_number = piece->source;
      }
      newest = std::max(newest, piece->newest_time);
      for (std::int64_t at = 0; at < piece->length; at += std::ssize(bytes)) {
        if (cancelled()) return stopped();
        bytes.resize(static_cast<std::size_t>(std::min(kPiece, piece->length - at)));
        RMQ_TRY(got, source->read_at(piece->position + at, bytes));
        if (got < bytes.size()) return wrong_use(sources_[piece->source].path + " has become shorter");
        RMQ_CHECK(file->write_at(piece->log_offset - start + at, bytes));
        advance(std::ssize(bytes));
      }
    }
    RMQ_CHECK(file->sync());
    // Stock deletes files by their time, and 4.x searches messages by it.
    return files_.set_modified(log_path(start), newest);
  }

  // ---- at new ones

  Status lay_out_anew() {
    const std::int64_t size = report_.file_size;
    std::int64_t at = log_.begin() / size * size;
    std::int64_t start = -1;
    std::int64_t newest = 0;
    std::unique_ptr<io::WriteFile> file;
    std::vector<std::byte> buffer;  // lies before `at`
    const auto flush = [&]() -> Status {
      if (buffer.empty()) return {};
      RMQ_CHECK(file->write_at(at - std::ssize(buffer) - start, buffer));
      buffer.clear();
      return {};
    };
    const auto end_file = [&]() -> Status {
      RMQ_CHECK(flush());
      if (!file) return {};
      RMQ_CHECK(file->sync());
      file.reset();
      return files_.set_modified(log_path(start), newest);
    };
    const auto make_room = [&](std::int64_t length) -> Status {
      if (length + format::kBlankSize > size)
        return wrong_use(fmt::format("a record of {} bytes does not fit into a file of {}", length, size));
      if (file && at + length + format::kBlankSize > start + size) {
        const auto blank = format::encode_blank(static_cast<std::int32_t>(start + size - at));
        buffer.insert(buffer.end(), blank.begin(), blank.end());
        at += format::kBlankSize;
        RMQ_CHECK(end_file());
        at = start + size;
      }
      if (file) return {};
      start = at;
      const std::string path = log_path(start);
      const io::NewFile made{path, size, {}};
      for (const Status& status : files_.create_sparse(std::span(&made, 1))) RMQ_CHECK(status);
      RMQ_TRY(opened, files_.open_for_write(path));
      file = std::move(opened);
      return {};
    };
    for (const Piece& piece : log_.pieces) {
      RecordReader reader(from_, sources_, piece);
      while (true) {
        RMQ_TRY(there, reader.next());
        if (!there) break;
        if (cancelled()) return stopped();
        const std::int64_t length = std::ssize(reader.bytes());
        const format::MessageView& message = reader.message();
        const std::int64_t hole = hole_before(message);
        for (std::int64_t slot = message.queue_offset - (hole <= kLongestHole ? hole : 0);
             slot < message.queue_offset; ++slot) {
          recovery::BridgeRecord lost;
          lost.kind = recovery::BridgeRecord::Kind::placeholder;
          lost.slot = {std::string(message.topic), message.queue_id, slot, 1, false};
          lost.size = recovery::placeholder_size(lost.slot);
          RMQ_CHECK(make_room(lost.size));
          lost.log_offset = at;
          const auto record = recovery::encode_bridge(lost, message.store_timestamp);
          buffer.insert(buffer.end(), record.begin(), record.end());
          at += lost.size;
          ++report_.placeholders;
        }
        RMQ_CHECK(make_room(length));
        const auto record = moved(message, reader.bytes(), at);
        newest = std::max(newest, message.store_timestamp);
        buffer.insert(buffer.end(), record.begin(), record.end());
        at += length;
        advance(length);
        if (std::ssize(buffer) >= kPiece) RMQ_CHECK(flush());
      }
    }
    return end_file();
  }

  // Slots of its queue that no record has, between the one before it in the log and this one.
  std::int64_t hole_before(const format::MessageView& message) {
    if (!format::enters_consume_queue(message.sys_flag) ||
        (message.sys_flag & format::kSysFlagInnerBatch) != 0)
      return 0;
    const auto [next, is_first] = next_slots_.try_emplace({std::string(message.topic), message.queue_id}, 0);
    const std::int64_t hole = is_first ? 0 : std::max<std::int64_t>(message.queue_offset - next->second, 0);
    next->second = message.queue_offset + 1;
    return hole;
  }

  // ---- queues, index, and the proof that each record is where it should be

  // Why recovery refuses what was laid out; nothing where it does not.
  Result<std::optional<std::string>> make_store() {
    engine::StoreOptions open;
    open.config = options_.config;
    open.config.root = root_;
    open.config.commit_log_file_size = report_.file_size;
    if (summary_.multi_dispatch) open.config.keys.try_emplace("enableMultiDispatch", "true");
    if (summary_.lmq) open.config.keys.try_emplace("enableLmq", "true");
    open.check = recovery::Depth::full;
    open.jobs = options_.jobs;
    open.background = false;
    open.kind_of = [this](std::string_view topic) {
      const auto first = summary_.queues.lower_bound({std::string(topic), 0});
      const bool batch = first != summary_.queues.end() && first->first.first == topic && first->second.batch;
      return batch ? scan::QueueKind::batch : scan::QueueKind::simple;
    };
    if (cancelled()) return stopped();
    auto opened = engine::MessageStore::open(files_, std::move(open));
    if (!opened && opened.error().code == ErrorCode::wrong_use)
      return std::optional(opened.error().message());
    RMQ_CHECK(opened ? Status() : Status(opened.error()));
    engine::MessageStore& store = **opened;
    const recovery::Plan& plan = store.report().plan;
    report_.placeholders += std::ssize(plan.placeholders);
    report_.log_begin = plan.log_begin;
    report_.log_end = plan.log_end;
    RMQ_CHECK(files_.make_directories(io::join_path(root_, kAside)));
    RMQ_TRY(left, Appender::begin(files_, io::join_path(io::join_path(root_, kAside), "left.ndjson")));
    left_ = std::make_unique<Appender>(std::move(left));
    next_slots_.clear();
    for (const scan::MappedFile& file : store.report().survey.commit_log.files) RMQ_CHECK(prove(store, file));
    RMQ_CHECK(store.close());
    return std::optional<std::string>();
  }

  Status prove(engine::MessageStore& store, const scan::MappedFile& info) {
    RMQ_TRY(file, files_.open(info.path));
    scan::CommitLogWalker::Options options;
    options.records_start = info.start;
    options.file_size = report_.file_size;
    scan::CommitLogWalker walker(*file, options);
    std::int64_t seen = 0;
    while (const scan::LogItem* item = walker.next()) {
      if (item->kind != scan::LogItemKind::record) continue;
      if (++seen % 1024 == 0 && cancelled()) return stopped();
      const format::MessageView& message = item->message;
      const std::int64_t hole = hole_before(message);
      if (message.topic == recovery::kFillerTopic ||
          format::find_property(message.properties, recovery::kPlaceholderProperty))
        continue;
      if (!format::enters_consume_queue(message.sys_flag)) {
        ++report_.never_queued;
        continue;
      }
      RMQ_TRY(readable, is_readable(store, message));
      if (readable) {
        ++report_.readable;
        continue;
      }
      ++report_.unreadable;
      has_holes_ = has_holes_ || (hole > 0 && hole <= kLongestHole);
      const bool history =
          store.report().plan.floor_of(message.topic, message.queue_id) > message.physical_offset;
      RMQ_CHECK(
          leave(message, "", message.physical_offset, options_.log, 0,
                history ? "its topic was deleted and created again later"
                        : "its queue has no place for it: another message has it, or one before is missing"));
    }
    return {};
  }

  Result<bool> is_readable(engine::MessageStore& store, const format::MessageView& message) const {
    engine::GetOptions one;
    one.max_messages = 1;
    RMQ_TRY(got, store.get(message.topic, message.queue_id, message.queue_offset, one));
    if (got.status != engine::GetStatus::found || got.messages.empty()) return false;
    const auto& first = got.messages.front();
    const auto read = format::MessageView::parse(std::span(got.bytes).subspan(first.position, first.size));
    return read && read->physical_offset == message.physical_offset;
  }

  // ---- what is not in the store

  Status keep_the_rest() {
    const std::string aside = io::join_path(root_, kAside);
    // What recovery kept of the bytes between the records: zeros.
    const std::string kept = io::join_path(root_, recovery::kLostAndFound);
    RMQ_TRY(entries, files_.list(kept));
    for (const io::DirectoryEntry& entry : entries)
      if (io::join_path(kept, entry.name) != aside)
        RMQ_CHECK(remove_tree(files_, io::join_path(kept, entry.name)));
    for (std::size_t i = 0; i < judgement_.logs.size(); ++i) {
      if (i == options_.log) continue;
      const std::string name = fmt::format("log-{}.records", i + 1);
      RMQ_TRY(records, Appender::begin(files_, io::join_path(aside, name)));
      for (const Piece& piece : judgement_.logs[i].pieces) {
        RecordReader reader(from_, sources_, piece);
        while (true) {
          RMQ_TRY(there, reader.next());
          if (!there) break;
          if (cancelled()) return stopped();
          ++report_.left;
          RMQ_CHECK(leave(reader.message(), name, records.size(), i, piece.source, to_string(why_apart(i)),
                          reader.position()));
          RMQ_CHECK(records.append(reader.bytes()));
          advance(std::ssize(reader.bytes()));
        }
      }
      RMQ_CHECK(records.finish());
    }
    return left_->finish();
  }

  // Seen from the log that was chosen.
  [[nodiscard]] Apart why_apart(std::size_t log) const {
    const Apart apart = judgement_.logs[log].apart;
    if (apart != Apart::none) return apart;
    return judgement_.logs[options_.log].apart;
  }

  Status leave(const format::MessageView& message, std::string_view file, std::int64_t position,
               std::size_t log, std::size_t source, std::string_view reason,
               std::optional<std::int64_t> source_position = {}) {
    line_.clear();
    line_.begin_object();
    line_.field("kind", "carveLeft");
    line_.field("schema", 1);
    line_.field("log", log + 1);
    line_.field("reason", reason);
    if (!file.empty()) {
      line_.field("file", file);
      line_.field("offset", position);
    }
    if (source_position) {
      line_.field("source", sources_[source].shown);
      line_.field("sourceOffset", *source_position);
    }
    line_.field("phyOffset", message.physical_offset);
    line_.field("size", message.total_size);
    line_.field("topic", message.topic);
    line_.field("queueId", message.queue_id);
    line_.field("queueOffset", message.queue_offset);
    line_.field("storeTimestamp", message.store_timestamp);
    line_.end_object();
    line_.end_line();
    return left_->append(as_bytes(line_.text()));
  }

  // ---- the end

  Status move_into_place() {
    RMQ_CHECK(move_entries(root_, options_.out));
    return files_.remove(root_);
  }

  Status move_entries(const std::string& from, const std::string& to) {
    RMQ_TRY(entries, files_.list(from));
    for (const io::DirectoryEntry& entry : entries) {
      const std::string source = io::join_path(from, entry.name);
      const std::string target = io::join_path(to, entry.name);
      if (entry.name == recovery::kLostAndFound && files_.stat(target)) {
        RMQ_CHECK(move_entries(source, target));
        RMQ_CHECK(files_.remove(source));
      } else {
        RMQ_CHECK(files_.rename(source, target));
      }
    }
    return {};
  }

  io::FileSystem& files_;
  const io::ReadFileSystem& from_;
  const std::vector<Source>& sources_;
  const Judgement& judgement_;
  const Log& log_;
  const Summary& summary_;
  const BuildOptions& options_;
  std::string root_;
  BuildReport report_;
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> next_slots_;  // of each queue, along the log
  bool has_holes_ = false;                                                   // that placeholders would close
  std::unique_ptr<Appender> left_;
  json::JsonLine line_;
};

}  // namespace

std::string_view to_string(Apart apart) {
  switch (apart) {
    case Apart::none: return "the first log";
    case Apart::other_store: return "another broker's";
    case Apart::older: return "older than other records for the same part of the log";
    case Apart::far: return "so far from the others that one store cannot hold both";
    case Apart::inside: return "inside of what is left of a damaged message, perhaps its body";
  }
  return "?";
}

std::string_view to_string(Confidence confidence) {
  switch (confidence) {
    case Confidence::high: return "high";
    case Confidence::medium: return "medium";
    case Confidence::low: return "low";
  }
  return "?";
}

Result<BuildReport> build_store(io::FileSystem& files, const io::ReadFileSystem& from,
                                const std::vector<Source>& sources, const Judgement& judgement,
                                const Summary& summary, const BuildOptions& options) {
  if (options.log >= judgement.logs.size()) return wrong_use("there is no such log");
  return Builder(files, from, sources, judgement, summary, options).run();
}

}  // namespace rmq::carve
