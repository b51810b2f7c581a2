// read_limit STORE JOBS [mapped]: the physical limit of rmq-verify --level deep. Reads the bytes that it
// reads (commit log, queues, index up to its last entry) in blocks of 256 KiB and computes the CRC of every
// body with ISA-L, one file a thread at a time; checks nothing. `mapped`: the log is looked at where it lies
// in the page cache, without a copy. Prints one JSON object.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "libstore/base/parallel.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/format/index_file.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace {

constexpr std::int64_t kBlock = 256 << 10;
constexpr std::size_t kBodyLength = 84;  // V1, IPv4 hosts: what make_store writes
constexpr std::size_t kBody = 88;
constexpr std::size_t kLargest = 2 << 20;

std::atomic<std::uint32_t> checksum{0};  // keeps the work from being optimised away

// CRCs of the bodies of whole records from `bytes` on; returns how many bytes these take.
std::size_t sum_bodies(std::span<const std::byte> bytes, std::uint32_t& sum) {
  std::size_t at = 0;
  while (at + kBody <= bytes.size()) {
    const auto size = static_cast<std::size_t>(rmq::load_be<std::int32_t>(bytes.data() + at));
    if (size == 0 || size > kLargest || at + size > bytes.size()) break;
    const auto body = static_cast<std::size_t>(rmq::load_be<std::int32_t>(bytes.data() + at + kBodyLength));
    if (body > size) break;
    sum ^= rmq::crc32(bytes.subspan(at + kBody, body));
    at += size;
  }
  return at;
}

std::int64_t look_at_log(const rmq::io::ReadFile& file) {
  constexpr std::int64_t kView = 1 << 20;
  std::uint32_t sum = 0;
  for (std::int64_t position = 0; position < file.size();) {
    const auto used = sum_bodies(file.view(position, kView), sum);
    if (used == 0) break;  // a BLANK's rest, or what was never written
    position += static_cast<std::int64_t>(used);
  }
  checksum ^= sum;
  return file.size();
}

std::int64_t read_log(const rmq::io::ReadFile& file) {
  std::vector<std::byte> buffer(4 << 20);
  std::size_t kept = 0;
  std::int64_t position = 0;
  std::uint32_t sum = 0;
  while (position < file.size()) {
    if (file.next_data(position) > position + kBlock) break;
    const auto want = static_cast<std::size_t>(std::min(kBlock, file.size() - position));
    const auto got = file.read_at(position, std::span(buffer).subspan(kept, want));
    if (!got || *got == 0) break;
    position += static_cast<std::int64_t>(*got);
    const std::size_t there = kept + *got;
    const std::size_t at = sum_bodies(std::span(buffer).first(there), sum);
    kept = there - at;
    if (kept > buffer.size() - kBlock) kept = 0;  // a BLANK's rest
    std::memmove(buffer.data(), buffer.data() + at, kept);
  }
  checksum ^= sum;
  return file.size();
}

std::int64_t read_plain(const rmq::io::ReadFile& file, std::int64_t bytes) {
  std::vector<std::byte> buffer(kBlock);
  for (std::int64_t at = 0; at < bytes;) {
    at = std::max(at, file.next_data(at) / kBlock * kBlock);
    if (at >= bytes) break;
    const auto got = file.read_at(at, buffer);
    if (!got || *got == 0) break;
    at += static_cast<std::int64_t>(*got);
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const bool mapped = argc == 4 && std::string_view(argv[3]) == "mapped";
  if (argc != 3 && !mapped) {
    fmt::print(stderr, "usage: read_limit STORE JOBS [mapped]\n");
    return 16;
  }
  const auto& files = mapped ? rmq::io::mapping_read_file_system() : rmq::io::posix_read_file_system();
  rmq::scan::StoreConfig config;
  config.root = argv[1];
  const auto survey = rmq::scan::survey_store(files, config);
  if (!survey) {
    fmt::print(stderr, "{}\n", survey.error().message());
    return 16;
  }
  struct Item {
    std::string path;
    std::int64_t bytes;
    bool log;
  };
  std::vector<Item> items;
  for (const auto& file : survey->commit_log.files) items.push_back({file.path, file.size, true});
  for (const auto& queue : survey->queues) {
    for (const auto& file : queue.files.files) items.push_back({file.path, file.size, false});
  }
  for (const auto& info : survey->index_files) {
    const auto file = files.open(info.path);
    std::array<std::byte, rmq::format::kIndexHeaderSize> head{};
    if (!file || !(*file)->read_at(0, head)) continue;
    const auto header = *rmq::format::IndexHeader::parse(head);
    items.push_back({info.path, rmq::format::index_entry_position(rmq::format::kDefaultIndexSlots, header.index_count), false});
  }
  const auto start = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> bytes{0};
  rmq::parallel_for(std::strtoul(argv[2], nullptr, 10), items.size(), {}, [&](std::size_t, std::size_t i) {
    const auto file = files.open(items[i].path);
    if (!file) return;
    const auto& read = mapped ? look_at_log : read_log;
    bytes += items[i].log ? read(**file) : read_plain(**file, items[i].bytes);
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{{\"bytes\":{},\"seconds\":{:.4f},\"gbPerSecond\":{:.2f},\"checksum\":{}}}\n", bytes.load(), seconds,
             static_cast<double>(bytes.load()) / seconds / 1e9, checksum.load());
}
