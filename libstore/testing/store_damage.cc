#include "libstore/testing/store_damage.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <map>

#include "libstore/bytes/big_endian.h"

namespace rmq::testing {
namespace {

constexpr std::array<std::int64_t, 14> kExtremes{0,
                                                 1,
                                                 -1,
                                                 20,
                                                 91,
                                                 4096,
                                                 4 << 20,
                                                 std::numeric_limits<std::int32_t>::max(),
                                                 std::numeric_limits<std::int32_t>::min(),
                                                 1LL << 32,
                                                 1LL << 40,
                                                 std::numeric_limits<std::int64_t>::max(),
                                                 std::numeric_limits<std::int64_t>::max() - 100,
                                                 std::numeric_limits<std::int64_t>::min()};

std::string directory_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

}  // namespace

std::int64_t StoreDamager::below(std::int64_t limit) {
  return limit <= 0 ? 0 : static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
}

// First a directory, then a file: a store has one log and many queues, and each part is to get its share.
std::string StoreDamager::pick_file(const MemoryFileSystem& files) {
  std::map<std::string, std::vector<const std::string*>> parts;
  for (const auto& [path, file] : files.files) {
    const std::string directory = directory_of(path);
    const bool queue = path.find("/consumequeue") != std::string::npos;
    parts[queue ? "queues" : directory].push_back(&path);
  }
  if (parts.empty()) return {};
  const auto& part = std::next(parts.begin(), below(std::ssize(parts)))->second;
  return *part[static_cast<std::size_t>(below(std::ssize(part)))];
}

std::pair<std::int64_t, std::int64_t> StoreDamager::pick_range(std::int64_t size) {
  constexpr std::array<std::int64_t, 8> kLengths{1, 4, 8, 20, 40, 512, 4096, 16384};
  const std::int64_t length = kLengths[static_cast<std::size_t>(below(std::ssize(kLengths)))];
  std::int64_t from = below(size);
  if (below(3) == 0) from = from / 4096 * 4096;  // disks lose pages
  return {from, std::min(from + length, size)};
}

void StoreDamager::change_bytes(const std::string& path, MemoryFile& file, StoreDamage& told) {
  auto [from, to] = pick_range(std::ssize(file.bytes));
  const auto range = std::span(file.bytes).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
  std::string what;
  switch (below(6)) {
    case 0:
      what = "zeroed";
      std::ranges::fill(range, std::byte{0});
      break;
    case 1:
      what = "set to ff";
      std::ranges::fill(range, std::byte{0xFF});
      break;
    case 2:
      what = "random";
      for (std::byte& byte : range) byte = static_cast<std::byte>(below(256));
      break;
    case 3: {
      what = "copied from elsewhere in the file";
      const auto source = static_cast<std::size_t>(below(std::ssize(file.bytes) - std::ssize(range)));
      const std::vector<std::byte> copy(file.bytes.begin() + static_cast<std::ptrdiff_t>(source),
                                        file.bytes.begin() + static_cast<std::ptrdiff_t>(source + range.size()));
      std::ranges::copy(copy, range.begin());
      break;
    }
    case 4: {
      const std::int64_t extreme = kExtremes[static_cast<std::size_t>(below(std::ssize(kExtremes)))];
      const bool wide = below(2) == 0;
      const std::int64_t width = wide ? 8 : 4;
      from = std::max<std::int64_t>(std::min(below(2) == 0 ? below(64) : from, std::ssize(file.bytes) - width), 0);
      to = std::min(from + width, std::ssize(file.bytes));
      if (to - from < width) return;
      wide ? store_be(file.bytes.data() + from, extreme)
           : store_be(file.bytes.data() + from, static_cast<std::int32_t>(extreme));
      what = "set to " + std::to_string(extreme);
      break;
    }
    default:
      to = from + 1;
      what = "a bit flipped";
      range.front() ^= static_cast<std::byte>(1 << below(8));
  }
  told.ranges.push_back({path, from, to, true});
  told.description += path + ": bytes " + std::to_string(from) + " to " + std::to_string(to) + " " + what + "\n";
}

void StoreDamager::change_size(const std::string& path, MemoryFile& file, StoreDamage& told) {
  const std::int64_t size = std::ssize(file.bytes);
  std::string what;
  switch (below(6)) {
    case 0:
      file.bytes.resize(static_cast<std::size_t>(below(2) == 0 ? below(size) : below(64)));
      what = "cut to " + std::to_string(file.bytes.size());
      break;
    case 1: {
      const std::int64_t more = 1 + below(10'000);
      for (std::int64_t i = 0; i < more; ++i) file.bytes.push_back(static_cast<std::byte>(below(256)));
      what = std::to_string(more) + " bytes of garbage appended";
      break;
    }
    case 2:
      file.bytes.resize(static_cast<std::size_t>(size + 1 + below(70'000)));
      what = "extended with zeros to " + std::to_string(file.bytes.size());
      break;
    case 3:
      file.hole = 1LL << (20 + below(21));
      what = "a hole of " + std::to_string(file.hole) + " bytes appended";
      break;
    case 4:
      file.size_when_opened = size + 1 + below(1 << 20);
      what = "claims " + std::to_string(file.size_when_opened) + " bytes when opened";
      break;
    default: {
      const auto [from, to] = pick_range(size);
      file.bad.emplace_back(from, to);
      what = "bytes " + std::to_string(from) + " to " + std::to_string(to) + " unreadable";
    }
  }
  told.ranges.push_back({path, 0, size, false});
  told.description += path + ": " + what + "\n";
}

void StoreDamager::change_files(MemoryFileSystem& files, const std::string& path, StoreDamage& told) {
  std::string other = pick_file(files);
  for (int tries = 0; tries < 3 && directory_of(other) != directory_of(path); ++tries) other = pick_file(files);
  std::string what;
  switch (below(4)) {
    case 0:
      what = "deleted";
      files.files.erase(path);
      break;
    case 1:
      what = "swapped with " + other;
      std::swap(files.files[path], files.files[other]);
      break;
    case 2:
      what = "copied over " + other;
      if (other != path) files.files[other] = MemoryFile(files.files[path]);
      break;
    default: {
      constexpr std::array<std::int64_t, 5> kStarts{0, 65536, 320, 1LL << 40, std::numeric_limits<std::int64_t>::max()};
      std::int64_t start = kStarts[static_cast<std::size_t>(below(std::ssize(kStarts)))];
      if (below(2) == 0) start = below(1 << 20);
      std::array<char, 24> name{};
      std::snprintf(name.data(), name.size(), "%020lld", static_cast<long long>(start));
      other = directory_of(path) + "/" + name.data();
      what = "renamed to " + other;
      if (other != path) {
        files.files[other] = std::move(files.files[path]);
        files.files.erase(path);
      }
    }
  }
  told.ranges.push_back({path, 0, 0, false});
  told.description += path + ": " + what + "\n";
}

void StoreDamager::mutate(MemoryFileSystem& files, StoreDamage& told) {
  const std::string path = pick_file(files);
  if (path.empty()) return;
  MemoryFile& file = files.files[path];
  const std::int64_t kind = below(10);
  if (kind < 6 && !file.bytes.empty()) {
    change_bytes(path, file, told);
  } else if (kind < 8) {
    change_size(path, file, told);
  } else {
    change_files(files, path, told);
  }
}

StoreDamage StoreDamager::damage(MemoryFileSystem& files, int mutations) {
  StoreDamage told;
  for (int i = 0; i < mutations; ++i) mutate(files, told);
  return told;
}

}  // namespace rmq::testing
