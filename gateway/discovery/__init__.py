"""Follows the instances of services in Consul and Nacos; tells Consul of this one.

directory = RegistryDirectory(os.environ, SystemClock(), log, Masker())
directory.instances("consul://users?tag=blue").pick()  # "http://10.0.0.7:8080"
"""

from gateway.discovery.directory import RegistryDirectory as RegistryDirectory
