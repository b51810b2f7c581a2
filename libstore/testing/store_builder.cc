#include "libstore/testing/store_builder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/format/sys_flag.h"
#include "libstore/format/tags_code.h"

namespace rmq::testing {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

WritableMap::WritableMap(const std::string& path, std::int64_t size) : size_(static_cast<std::size_t>(size)) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0 || ::ftruncate(descriptor, size) != 0) give_up(path);
  void* data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (data == MAP_FAILED) give_up(path);
  ::madvise(data, size_, MADV_RANDOM);
  ::close(descriptor);
  data_ = static_cast<std::byte*>(data);
}

WritableMap::~WritableMap() { ::munmap(data_, size_); }

StoreBuilder::StoreBuilder(const StoreBuilderOptions& options) : options_(options), end_(options.log_start) {
  std::filesystem::create_directories(options.root);
}

StoreBuilder::~StoreBuilder() = default;

std::int64_t StoreBuilder::put(format::MessageRecord& record) {
  const std::int64_t file_size = options_.log_file_size;
  auto& queue = queues_[{record.topic, record.queue_id}];
  record.queue_offset = format::enters_consume_queue(record.sys_flag) ? queue.next_offset : 0;
  record.physical_offset = end_;
  auto bytes = format::encode(record);
  if (!bytes) std::abort();
  const auto size = static_cast<std::int64_t>(bytes->size());
  const std::int64_t left = file_size - end_ % file_size;
  if (size + format::kBlankSize > left) {  // DefaultAppendMessageCallback: BLANK, then the same message again
    const auto blank = format::encode_blank(static_cast<std::int32_t>(left));
    if (log_) std::ranges::copy(blank, log_->data() + end_ % file_size);
    end_ += left;
    record.physical_offset = end_;
    bytes = format::encode(record);
  }
  const std::int64_t start = end_ / file_size * file_size;
  if (start != log_file_start_) {
    log_ = std::make_unique<WritableMap>(options_.root + "/commitlog/" + format::mapped_file_name(start), file_size);
    log_file_start_ = start;
  }
  std::ranges::copy(*bytes, log_->data() + (end_ - start));
  end_ += size;
  ++messages_;
  last_store_timestamp_ = record.store_timestamp;
  dispatch(record, static_cast<std::int32_t>(size));
  return record.physical_offset;
}

void StoreBuilder::dispatch(const format::MessageRecord& record, std::int32_t size) {
  const format::StoreProperties properties = format::store_properties(record.properties);
  if (format::enters_consume_queue(record.sys_flag)) {
    auto& queue = queues_[{record.topic, record.queue_id}];
    const std::int64_t position = queue.next_offset++ * format::kConsumeQueueEntrySize;
    const std::int64_t start = position / options_.queue_file_size * options_.queue_file_size;
    if (start != queue.file_start) {
      queue.map = std::make_unique<WritableMap>(options_.root + "/consumequeue/" + record.topic + "/" +
                                                    std::to_string(record.queue_id) + "/" + format::mapped_file_name(start),
                                                options_.queue_file_size);
      queue.file_start = start;
    }
    const std::int64_t tags = properties.tags && !properties.tags->empty() ? java_hash(*properties.tags) : 0;
    format::ConsumeQueueEntry{record.physical_offset, size, tags}.store(queue.map->data() + (position - start));
  }
  if (!options_.index || !format::enters_index(record.sys_flag)) return;
  if (properties.uniq_key) add_key(record, *properties.uniq_key);
  if (properties.keys) format::for_each_key(*properties.keys, [&](std::string_view key) { add_key(record, key); });
}

void StoreBuilder::add_key(const format::MessageRecord& record, std::string_view key) {
  if (!index_ || index_header_.index_count >= options_.index_entries) roll_index(index_header_.end_timestamp);
  const std::int32_t hash = format::index_key_hash(record.topic, key);
  std::byte* const base = index_->data();
  std::byte* const slot = base + format::index_slot_position(hash % options_.index_slots);
  const auto head = load_be<std::int32_t>(slot);
  const std::int32_t number = index_header_.index_count;
  format::IndexEntry{hash, record.physical_offset,
                     format::index_time_diff(index_header_.begin_timestamp, record.store_timestamp), head}
      .store(base + format::index_entry_position(options_.index_slots, number));
  store_be(slot, number);
  if (number <= 1) {
    index_header_.begin_phy_offset = record.physical_offset;
    index_header_.begin_timestamp = record.store_timestamp;
  }
  if (head == 0) ++index_header_.hash_slot_count;
  ++index_header_.index_count;
  index_header_.end_phy_offset = record.physical_offset;
  index_header_.end_timestamp = record.store_timestamp;
  index_header_.store(base);
}

void StoreBuilder::roll_index(std::int64_t begin_timestamp) {
  if (index_) sealed_index_timestamp_ = begin_timestamp;
  const std::int64_t offset = index_header_.end_phy_offset;
  index_header_ = {};
  if (index_) index_header_ = {begin_timestamp, begin_timestamp, offset, offset, 0, 1};
  constexpr std::int64_t kFirstName = 20260101000000000;
  index_ = std::make_unique<WritableMap>(options_.root + "/index/" + std::to_string(kFirstName + index_files_++),
                                         format::index_entry_position(options_.index_slots, options_.index_entries));
}

void StoreBuilder::close(bool crashed) {
  const format::StoreCheckpoint checkpoint{last_store_timestamp_, last_store_timestamp_, sealed_index_timestamp_, 0, 0};
  const auto bytes = checkpoint.encode();
  std::ofstream(options_.root + "/checkpoint", std::ios::binary).write(as_text(bytes).data(), std::ssize(bytes));
  if (crashed) std::ofstream(options_.root + "/abort") << 12345;
  log_.reset();
  queues_.clear();
  index_.reset();
}

}  // namespace rmq::testing
