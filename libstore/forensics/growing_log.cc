#include "libstore/forensics/growing_log.h"

#include <algorithm>
#include <array>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/commit_log_record.h"

namespace rmq::forensics {
namespace {

constexpr std::size_t kBlock = 256 << 10;

}  // namespace

VisibleRecords visible_records(const io::ReadFile& file, std::int64_t from) {
  VisibleRecords seen;
  seen.settled = from;
  std::vector<std::byte> block;
  std::int64_t block_start = from;
  for (std::int64_t at = from; file.size() - at >= format::kBlankSize;) {
    if (at + format::kBlankSize > block_start + std::ssize(block)) {
      block.resize(static_cast<std::size_t>(std::min<std::int64_t>(kBlock, file.size() - at)));
      const auto got = file.read_at(at, block);
      block.resize(got ? *got : 0);
      block_start = at;
      if (std::ssize(block) < format::kBlankSize) break;
    }
    const std::byte* const header = block.data() + (at - block_start);
    const auto size = load_be<std::int32_t>(header);
    const auto magic = load_be<std::int32_t>(header + format::kRecordMagicOffset);
    if (magic == format::kMagicBlank && size >= format::kBlankSize && size <= file.size() - at)
      return {at, 0, true, false};
    const bool record = (magic == format::kMagicV1 || magic == format::kMagicV2) &&
                        size >= format::kMinRecordSize && size <= format::kMaxRecordSize &&
                        size <= file.size() - at;
    if (!record) {
      seen.other_bytes = size != 0 || magic != 0;
      break;
    }
    seen.settled = at;
    seen.last_size = size;
    at += size;
  }
  return seen;
}

bool has_begun(const io::ReadFile& file) {
  std::array<std::byte, format::kBlankSize> head{};
  const auto got = file.read_at(0, head);
  const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
  return got && *got == head.size() &&
         (magic == format::kMagicV1 || magic == format::kMagicV2 || magic == format::kMagicBlank);
}

bool looks_whole(std::span<const std::byte> record) {
  format::MessageView message;
  if (format::MessageView::decode(record, message)) return false;
  return !message.topic.empty() && message.topic.find('\0') == std::string_view::npos &&
         message.properties.find('\0') == std::string_view::npos && message.body_crc_matches() &&
         message.check_property_crc(record) != format::MessageView::PropertyCrc::differs;
}

Result<std::size_t> FilePrefix::read_at(std::int64_t position, std::span<std::byte> out) const {
  const std::int64_t there = std::clamp<std::int64_t>(size_ - position, 0, std::ssize(out));
  return file_.read_at(position, out.first(static_cast<std::size_t>(there)));
}

std::int64_t FilePrefix::next_data(std::int64_t position) const {
  return std::min(file_.next_data(position), size_);
}
std::int64_t FilePrefix::next_hole(std::int64_t position) const {
  return std::min(file_.next_hole(position), size_);
}

}  // namespace rmq::forensics
