#include "libstore/derive/index_writer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace rmq::derive {
namespace {

constexpr std::size_t kPrefetchAhead = 32;

}  // namespace

// UtilAll.timeMillisToHumanString: yyyyMMddHHmmssSSS, as a number.
std::int64_t index_file_stamp(std::int64_t local_time_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(local_time_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::int64_t stamp = static_cast<int>(date.year());
  stamp = stamp * 100 + static_cast<unsigned>(date.month());
  stamp = stamp * 100 + static_cast<unsigned>(date.day());
  stamp = stamp * 100 + clock.hours().count();
  stamp = stamp * 100 + clock.minutes().count();
  stamp = stamp * 100 + clock.seconds().count();
  return stamp * 1000 + clock.subseconds().count();
}

std::string index_file_name(std::int64_t stamp) {
  std::string digits = std::to_string(stamp);
  if (digits.size() < 17) digits.insert(0, 17 - digits.size(), '0');
  return digits;
}

void IndexBatch::add(const DispatchRequest& request) {
  if (request.enters_index() && (request.uniq_key || !request.keys.empty())) {
    if (request.topic != topic_) {
      topic_ = request.topic;
      topic_hash_ = java_hash("#", java_hash(topic_));
    }
    format::append_index_key_hashes(topic_hash_, request.uniq_key, request.keys, hashes_);
  }
  messages_.push_back({request.log_offset, request.log_offset + request.size, request.store_timestamp,
                       static_cast<std::uint32_t>(hashes_.size())});
}

void IndexBatch::clear() {
  messages_.clear();
  hashes_.clear();
}

std::int64_t IndexWriter::file_size() const {
  return format::index_entry_position(options_.slots, options_.entries);
}

Status IndexWriter::map(File& file) const {
  RMQ_TRY(mapped, file.file->map(0, file_size()));
  file.map = std::move(mapped);
  file.table.emplace(file.map->bytes(), options_.slots, options_.entries);
  return {};
}

Result<std::unique_ptr<IndexWriter>> IndexWriter::open(io::FileSystem& files, IndexWriterOptions options,
                                                       std::span<const scan::IndexFileInfo> existing) {
  if (options.slots < 1 || options.entries < 1) return wrong_use("an index file needs slots and entries");
  auto writer = std::unique_ptr<IndexWriter>(new IndexWriter(files, std::move(options)));
  if (existing.empty()) return writer;
  const scan::IndexFileInfo& newest = existing.back();
  if (newest.size != writer->file_size())
    return wrong_use(newest.shown + ": " + std::to_string(newest.size) + " bytes, not " +
                     std::to_string(writer->file_size()));
  writer->last_stamp_ = newest.stamp;
  auto file = std::make_shared<File>();
  file->path = newest.path;
  RMQ_TRY(opened, files.open_for_write(newest.path));
  file->file = std::move(opened);
  RMQ_CHECK(writer->map(*file));
  file->table->mend_last_slot();
  writer->newest_ = std::move(file);
  RMQ_CHECK(writer->see_what_is_done(existing));
  return writer;
}

// The message of the index's last entry may have keys that are not there yet, if a process was killed between
// them. Its entries stand at the end, of the newest file and perhaps of the one before.
Status IndexWriter::see_what_is_done(std::span<const scan::IndexFileInfo> existing) {
  const auto count_back = [this](const IndexTable& table) {
    std::int32_t number = std::min(table.header().index_count, options_.entries) - 1;
    for (; number >= 1; --number) {
      const format::IndexEntry entry = table.entry(number);
      if (last_message_.hashes.empty()) last_message_.log_offset = entry.phy_offset;
      if (entry.phy_offset != last_message_.log_offset) return false;
      last_message_.hashes.push_back(entry.key_hash);
    }
    return true;
  };
  if (!count_back(*newest_->table)) return {};
  for (std::size_t i = existing.size() - 1; i-- > 0;) {
    const scan::IndexFileInfo& info = existing[i];
    if (info.size != file_size()) return {};
    File before;
    RMQ_TRY(opened, files_.open_for_write(info.path));
    before.file = std::move(opened);
    RMQ_CHECK(map(before));
    if (!count_back(*before.table)) return {};
  }
  return {};
}

std::string IndexWriter::next_name() {
  // Names are read in their order, also when the clock was put back; and never twice.
  last_stamp_ = std::max(index_file_stamp(options_.local_time_ms()), last_stamp_ + 1);
  return index_file_name(last_stamp_);
}

Status IndexWriter::need_file() {
  if (newest_ && !newest_->table->full()) return {};
  format::IndexHeader header;
  if (newest_) header = index_header_behind(newest_->table->header());
  std::byte head[format::kIndexHeaderSize];
  header.store(head);

  auto file = std::make_shared<File>();
  RMQ_CHECK(files_.make_directories(options_.directory));
  file->path = io::join_path(options_.directory, next_name());
  RMQ_TRY(created, files_.create(file->path, file_size(), head));
  file->file = std::move(created);
  RMQ_CHECK(map(*file));
  const std::lock_guard lock(mutex_);
  if (newest_) sealed_.push_back(std::move(newest_));
  created_.push_back(file->path);
  newest_ = std::move(file);
  return {};
}

IndexWriter::PutReport IndexWriter::put(const IndexBatch& batch) {
  PutReport report;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) {
      report.status = *failed_;
      return report;
    }
  }
  const std::span<const std::int32_t> hashes(batch.hashes_);
  std::size_t keys = 0;
  std::size_t fetched = 0;
  for (const IndexBatch::Message& message : batch.messages_) {
    const std::size_t ahead = std::min(hashes.size(), message.keys_end + kPrefetchAhead);
    for (; newest_ && fetched < ahead; ++fetched) newest_->table->prefetch(hashes[fetched]);
    report.status = put_message(message, hashes.subspan(keys, message.keys_end - keys), report);
    if (!report.status) break;
    keys = message.keys_end;
    ++report.taken;
  }
  if (report.taken > 0) {
    const IndexBatch::Message& last = batch.messages_[report.taken - 1];
    const std::lock_guard lock(mutex_);
    put_ = {last.log_end, last.store_timestamp};
  }
  return report;
}

// IndexService.buildIndex: the file is there before anybody asks whether the message has keys.
Status IndexWriter::put_message(const IndexBatch::Message& message, std::span<const std::int32_t> hashes,
                                PutReport& report) {
  RMQ_CHECK(need_file());
  if (message.log_offset < newest_->table->header().end_phy_offset) return {};
  const bool begun = message.log_offset == last_message_.log_offset;
  if (!begun && !hashes.empty()) {
    last_message_.log_offset = message.log_offset;
    last_message_.hashes.clear();
  }
  const std::size_t known = last_message_.hashes.size();
  for (const std::int32_t hash : hashes) {
    const auto known_end = last_message_.hashes.begin() + static_cast<std::ptrdiff_t>(known);
    if (begun && std::find(last_message_.hashes.begin(), known_end, hash) != known_end) continue;
    RMQ_CHECK(need_file());
    newest_->table->put(hash, message.log_offset, message.store_timestamp);
    last_message_.hashes.push_back(hash);
    ++report.keys;
  }
  return {};
}

Status IndexWriter::failed(Status status) {
  if (!status) {
    const std::lock_guard lock(mutex_);
    if (!failed_) failed_ = status.error();
  }
  return status;
}

Status IndexWriter::sync_sealed() {
  for (;;) {
    std::shared_ptr<File> file;
    {
      const std::lock_guard lock(mutex_);
      if (failed_) return *failed_;
      if (sealed_.empty()) return {};
      file = sealed_.front();
    }
    RMQ_CHECK(failed(file->map->sync(0, file_size())));
    const std::lock_guard lock(mutex_);
    sealed_.erase(sealed_.begin());
    sealed_timestamp_ = file->table->header().end_timestamp;
  }
}

Status IndexWriter::sync() {
  DerivedUpTo put;
  std::shared_ptr<File> newest;
  {
    const std::lock_guard lock(mutex_);
    put = put_;
    newest = newest_;
  }
  RMQ_CHECK(sync_sealed());
  if (newest) RMQ_CHECK(failed(newest->map->sync(0, file_size())));
  const std::lock_guard lock(mutex_);
  durable_ = put;
  return {};
}

DerivedUpTo IndexWriter::durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

std::optional<Error> IndexWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

std::int64_t IndexWriter::sealed_timestamp() const {
  const std::lock_guard lock(mutex_);
  return sealed_timestamp_;
}

std::vector<std::string> IndexWriter::created() const {
  const std::lock_guard lock(mutex_);
  return created_;
}

}  // namespace rmq::derive
