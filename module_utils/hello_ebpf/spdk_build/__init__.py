"""SPDK from source to one versioned, relocatable installation, in stages that each survive being cut off."""
