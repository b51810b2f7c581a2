// Stands in for libFuzzer where there is none: runs the fuzz target once over every file named, and over
// every file in the directories named.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  // A copy of its own size, so that a sanitizer sees a read past the end.
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 0;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path name(argv[i]);
    if (std::filesystem::is_directory(name)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(name)) {
        if (!entry.is_regular_file()) continue;
        run(entry.path());
        ++runs;
      }
    } else {
      run(name);
      ++runs;
    }
  }
  std::printf("%d inputs\n", runs);
  return 0;
}
