// A byte of options, two of the file's start, then a commit log file: the walk ends, its items tile the file,
// and what it calls a record is one.
#include <cstdint>
#include <span>

#include "fuzz/fuzz_check.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/scan/commit_log_walker.h"
#include "libstore/testing/memory_file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rmq::scan::CommitLogWalker;
  constexpr std::size_t kHead = 3;
  if (size < kHead) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  rmq::testing::MemoryFileSystem files;
  rmq::testing::MemoryFile& file = files.files["/f"];
  file.bytes.assign(bytes.begin() + kHead, bytes.end());
  const auto length = std::ssize(file.bytes);
  if ((data[0] & 4) != 0) file.size_when_opened = length + 5000;
  if ((data[0] & 8) != 0) file.bad.emplace_back(length / 2, length / 2 + 1);
  CommitLogWalker::Options options;
  options.dledger = (data[0] & 1) != 0;
  options.any_offset = (data[0] & 2) != 0;
  options.records_start = rmq::load_be<std::uint16_t>(bytes.data() + 1);
  const auto opened = files.open("/f");
  CommitLogWalker walker(**opened, options);
  std::int64_t at = 0;
  while (const auto item = walker.next()) {
    const std::int64_t header = options.dledger && item->kind == rmq::scan::LogItemKind::record ? 48 : 0;
    FUZZ_CHECK(item->position == at + header);
    FUZZ_CHECK(item->length > 0);
    at = item->position + item->length;
    FUZZ_CHECK(at <= (*opened)->size());
    if (item->kind != rmq::scan::LogItemKind::record) continue;
    FUZZ_CHECK(std::ssize(item->bytes) == item->length && item->message.total_size == item->length);
    FUZZ_CHECK(rmq::format::MessageView::parse(item->bytes).has_value());
  }
  FUZZ_CHECK(at == (*opened)->size());
  (void)rmq::scan::records_start(**opened, options.records_start);
  return 0;
}
