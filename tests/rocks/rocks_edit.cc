// rocks_edit DIRECTORY FAMILY put KEY VALUE | delete KEY | wal KEY VALUE: changes a RocksDB for the tests
// that make damage; keys and values in hex. `wal` leaves the entry in the write-ahead log, `put` and `delete`
// end in a table. A directory without one gets one.
#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "rocks_edit: %s\n", status.ToString().c_str());
  std::exit(1);
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 4) return 16;
  rocksdb::DBOptions options;
  options.create_if_missing = options.create_missing_column_families = true;
  options.avoid_flush_during_shutdown = true;
  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(options, words[0], &names).ok()) {
    names = {"default"};
    if (words[1] != "default") names.push_back(words[1]);
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  check(rocksdb::DB::Open(options, words[0], families, &handles, &opened));
  const std::unique_ptr<rocksdb::DB> database(opened);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != words[1]) continue;
    if (words[2] == "delete") {
      check(database->Delete({}, handles[i], from_hex(words[3])));
    } else {
      check(database->Put({}, handles[i], from_hex(words[3]), from_hex(words.at(4))));
    }
    if (words[2] != "wal") check(database->Flush({}, handles[i]));
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles) check(database->DestroyColumnFamilyHandle(handle));
  return 0;
}
