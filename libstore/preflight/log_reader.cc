#include "libstore/preflight/log_reader.h"

#include <array>

#include "libstore/preflight/stock_message.h"

namespace rmq::preflight {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;

// java.net.InetSocketAddress refuses anything else.
constexpr bool is_port(std::int32_t port) { return port >= 0 && port <= 65535; }

void read_host(JavaBuffer& buffer, bool v6) {
  (void)buffer.get(v6 ? 16 : 4, 16);
  if (!is_port(buffer.i32())) buffer.fail();
}

}  // namespace

LogReader::LogReader(const RecoveryRules& rules, const MappedFiles<MappedFileState>& log, FilePool& pool)
    : rules_(rules), log_(log), pool_(pool), window_(pool, kBlock) {
  for (std::size_t i = 0; i < log.files.size(); ++i) by_path_.emplace(log.files[i].path, i);
}

std::optional<std::size_t> LogReader::file_of(const std::string& path) const {
  const auto found = by_path_.find(path);
  return found == by_path_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<LogPlace> LogReader::select(const QueueUnit& unit) const {
  const auto file = log_.find(unit.offset, unit.offset == 0);
  if (!file) return std::nullopt;
  const std::int64_t position = unit.offset % log_.file_size;
  if (position < 0 || unit.size < 0 || position + unit.size > log_.files[*file].wrote) return std::nullopt;
  return LogPlace{*file, position};
}

bool LogReader::decodes(const LogPlace& place, std::int32_t size) {
  JavaBuffer buffer(window_, log_.files[place.file].path, place.position, place.position + size);
  (void)buffer.i32();  // TOTALSIZE
  const std::int32_t magic = buffer.i32();
  const bool version_2 = rules_.decoder_checks_magic && magic == format::kMagicV2;
  if (rules_.decoder_checks_magic && magic != format::kMagicV1 && !version_2) return false;
  (void)buffer.get(28, 28);  // BODYCRC, QUEUEID, FLAG, QUEUEOFFSET, PHYSICALOFFSET
  const std::int32_t sys_flag = buffer.i32();
  (void)buffer.i64();  // BORNTIMESTAMP
  read_host(buffer, (sys_flag & format::kSysFlagBornHostV6) != 0);
  (void)buffer.i64();  // STORETIMESTAMP
  read_host(buffer, (sys_flag & format::kSysFlagStoreHostV6) != 0);
  (void)buffer.get(12, 12);  // RECONSUMETIMES, PREPAREDTRANSACTIONOFFSET
  const std::int32_t body_size = buffer.i32();
  if (body_size > 0) buffer.skip(body_size);
  const std::int32_t topic_size = version_2 ? buffer.i16() : buffer.i8();
  if (topic_size < 0) return false;
  buffer.skip(topic_size);
  const std::int16_t properties_size = buffer.i16();
  if (properties_size > 0) buffer.skip(properties_size);
  return buffer.ok();
}

bool LogReader::decodes(const format::MessageView& record) const {
  const bool known = record.version == 1 || rules_.knows_version_2;
  return known && is_port(record.born_host.port) && is_port(record.store_host.port);
}

std::optional<LogReader::Record> LogReader::intact_record(const LogPlace& place) {
  const MappedFileState& file = log_.files[place.file];
  std::array<std::byte, 8> head{};
  if (place.position + static_cast<std::int64_t>(head.size()) > log_.file_size) return std::nullopt;
  pool_.read(file.path, place.position, head);
  const auto size = load_be<std::int32_t>(head.data());
  if (size < format::kMinRecordSize || size > format::kMaxRecordSize ||
      place.position + size > log_.file_size) {
    return std::nullopt;
  }
  record_.resize(static_cast<std::size_t>(size));
  pool_.read(file.path, place.position, record_);
  const auto message = format::MessageView::parse(record_);
  const std::int64_t physical_offset = wrap_add(file.start, place.position);
  if (!message || message->physical_offset != physical_offset || !message->body_crc_matches())
    return std::nullopt;
  return Record{*message, physical_offset};
}

}  // namespace rmq::preflight
